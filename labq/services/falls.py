"""Which moves of devices and hosts are alarms: those out of the lab that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from labq.domain.states import DeviceHealth, HostState

DEVICE, HOST = "device", "host"
_FALLS: Mapping[str, str] = {DEVICE: DeviceHealth.BAD.value, HOST: HostState.OFFLINE.value}


def of_audit(rows: Iterable[Mapping[str, object]], by: str) -> list[dict[str, object]]:
    """Return the alarms that moves ask for which `by` made by itself: values for the table."""
    return [
        {
            "at": row["at"],
            "subject": row["subject"],
            "name": row["subject_id"],
            "text": row["reason"],
        }
        for row in rows
        if row["actor"] == by and _FALLS.get(str(row["subject"])) == row["after"]
    ]
