"""The dictionary of a device as a job with some context would get it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.jobdef.device import render_device
from labq.models.device import Device


def find(
    session: Session, name: str, context: Mapping[str, object], *, templates: Sequence[Path]
) -> str:
    """Return the rendered dictionary as YAML.

    Raises NotFoundError, ConfigurationError for a device file that does not render with this
    context, JobError for a context that no job may have.
    """
    row = session.execute(
        select(Device.template, Device.device_type).where(Device.name == name)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no device {name!r}")
    dictionary = render_device(
        row.template,
        name=name,
        device_type=row.device_type,
        context=context,
        search_path=templates,
    )
    return yaml.dump(dictionary, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)
