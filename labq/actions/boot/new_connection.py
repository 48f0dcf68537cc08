"""Boot `new_connection`: open another console of the device."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.values import Text
from labq.domain.plan import Queue, StepKind


class NewConnectionParameters(BootParameters):
    """The block of `method: new_connection`; `connection` names one of the dictionary."""

    connection: Text


METHOD = Method(
    name="new_connection",
    action="connect-shell",
    parameters=NewConnectionParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
