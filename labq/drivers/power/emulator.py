"""Power of a device that is a process: off ends it, on starts it again."""

from __future__ import annotations

from labq.hw.driver import Outlet


class EmulatorPower:
    """Pulls and plugs an emulator."""

    kind = "emulator"

    def on(self, outlet: Outlet) -> str:
        """Start the emulator as it was started last."""
        outlet.machine.start()
        return ""

    def off(self, outlet: Outlet) -> str:
        """End the emulator."""
        outlet.machine.stop()
        return ""

    def reset(self, outlet: Outlet) -> str:
        """End it and start it again."""
        outlet.machine.stop()
        outlet.machine.start()
        return ""
