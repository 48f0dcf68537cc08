"""The last step of every run: power off and close the consoles, whatever happened before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from labq.actions.command import undo
from labq.actions.method import Method
from labq.actions.parameters import Parameters
from labq.actions.steps import compose, docker, gadget
from labq.actions.steps.power import power_off
from labq.actions.steps.tftp_folder import clean
from labq.actions.steps.work import Work
from labq.domain.errors import InfrastructureError, LabqError
from labq.domain.plan import Queue, StepKind
from labq.domain.verdicts import Level, Verdict
from labq.hw.session import Session


def run(session: Session, _parameters: Parameters) -> None:
    """Power off, then close each console; one failure does not keep the others from being done.

    Raises the first error when everything has been tried.
    """
    work = Work(session)
    with work.block("finalize") as deadline:
        began = work.clock()
        duties: list[Callable[[], None]] = [partial(power_off, work)]
        duties.append(partial(undo, session, deadline))
        duties += [partial(session.disconnect, spec.channel) for spec in session.plan.consoles]
        duties.append(partial(compose.stop_all, session, deadline))
        duties.append(partial(docker.clean, session, deadline))
        duties.append(partial(gadget.clean, session, deadline))
        duties.append(partial(clean, session.plan.device))
        duties.append(partial(_keep_consoles, session))
        errors = [error for duty in duties if (error := _attempt(session, duty))]
        verdict = Verdict.FAIL if errors else Verdict.PASS
        work.report("finalize", verdict, work.clock() - began)
        if errors:
            raise errors[0]


def _keep_consoles(session: Session) -> None:
    """Keep what the consoles said as files, when the job asked for it and has no secrets."""
    upload = session.plan.upload
    if upload is None or not upload.consoles:
        return
    if session.plan.masks:
        session.log(Level.WARNING, "raw consoles are not kept: the job's secrets may be in them")
    else:
        session.keep_consoles()


def _attempt(session: Session, duty: Callable[[], None]) -> LabqError | None:
    try:
        duty()
    except LabqError as error:
        session.log(Level.ERROR, f"clean-up: {error}")
        return error
    except OSError as error:
        session.log(Level.ERROR, f"clean-up: {error}")
        return InfrastructureError(str(error))
    return None


METHOD = Method(
    name="collect",
    parameters=Parameters,
    kind=StepKind.COLLECT,
    queue=Queue.COLLECT,
    run=run,
)
METHODS = (METHOD,)
