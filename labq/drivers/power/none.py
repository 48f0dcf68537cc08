"""A device without power control: it stays as it is."""

from __future__ import annotations

from typing_extensions import override

from labq.domain.errors import InfrastructureError
from labq.hw.driver import Outlet, PowerDriver


class NoPower(PowerDriver):
    """Leaves the device as it is."""

    kind = "none"

    @override
    def on(self, outlet: Outlet) -> str:
        """Do nothing: the device is on."""
        return ""

    @override
    def off(self, outlet: Outlet) -> str:
        """Do nothing: the device stays on."""
        return ""

    @override
    def reset(self, outlet: Outlet) -> str:
        """Raise InfrastructureError: nothing can reset it."""
        raise InfrastructureError("the device has no power control, so it cannot be reset")
