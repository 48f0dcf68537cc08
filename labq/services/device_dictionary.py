"""The dictionary of a device: as it is stored, and as a job with some context would get it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, NotFoundError
from labq.jobdef.device import render_device
from labq.models.device import Device
from labq.services import device_templates, devices, transitions
from labq.services.transitions import Work


def raw(session: Session, name: str) -> str:
    """Return the device file as it is stored; raises NotFoundError when there is none."""
    template = session.scalar(select(Device.template).where(Device.name == name))
    if template is None:
        raise NotFoundError(f"there is no device {name!r}")
    if not template.strip():
        raise NotFoundError(f"device {name} has no dictionary")
    return template


def rendered(
    session: Session, name: str, context: Mapping[str, object], *, templates: Sequence[Path]
) -> str:
    """Return the rendered dictionary as YAML.

    Raises NotFoundError, ConfigurationError for a device file that does not render with this
    context, JobError for a context that no job may have.
    """
    text = raw(session, name)
    device_type = session.scalars(select(Device.device_type).where(Device.name == name)).one()
    dictionary = render_device(
        text,
        name=name,
        device_type=device_type,
        context=context,
        library=device_templates.library(session, templates),
    )
    return yaml.dump(dictionary, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)


def store(session: Session, name: str, text: str, *, templates: Sequence[Path]) -> None:
    """Keep a device file as LAVA does: without judging it; an empty one takes it away.

    A device whose file does not render is made bad when a job is to run on it. Raises
    NotFoundError for an unknown device.
    """
    device = devices.lock(session, name)
    device.template = text
    device.exclusive = _exclusive(session, device, templates)
    session.flush()
    transitions.tell(session, work=[Work.PAIRING])


def _exclusive(session: Session, device: Device, templates: Sequence[Path]) -> list[str]:
    """Return the shared resources of a device, none for a file that does not render."""
    library = device_templates.library(session, templates)
    try:
        spec = devices.check(
            device.template, name=device.name, device_type=device.device_type, library=library
        )
    except InvalidInputError:
        return []
    return sorted(set(spec.exclusive))
