"""Power of a device as a step sees it. Every call is an order to the bench, done when it returns."""

from __future__ import annotations

from typing import Protocol


class Power(Protocol):
    """Switches one device; each call raises InfrastructureError with the exchange that failed."""

    def on(self) -> None:
        """Run pre-power commands, then power on."""

    def off(self) -> None:
        """Power off; a device without power control stays as it is."""

    def reset(self) -> None:
        """Hard reset; off and on where there is no reset of its own."""

    def can_reset(self) -> bool:
        """Return whether the device can be reset or cycled by power."""

    def run(self, name: str) -> None:
        """Run another command of the dictionary by its key, e.g. `pre_os_command`."""
