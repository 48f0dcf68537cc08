"""The images of a deploy: fetched in the download step, remembered by label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labq.actions.steps.download import Download, download
from labq.actions.steps.sources import fetch_definitions
from labq.actions.steps.work import Work, namespaced
from labq.domain.errors import JobError
from labq.hw.session import Session

IMAGES = "images"
FETCHED = "fetched"
"""Images as they came, before an overlay is appended to copies of them."""


def fetch_all(work: Work, wanted: Mapping[str, Download]) -> None:
    """Fetch all images and the definitions of the tests that this deploy brings."""
    paths = {label: str(download(work, one)) for label, one in wanted.items()}
    work.session.remember(namespaced(work.session, FETCHED), paths)
    remember_images(work.session, paths)
    overlay = work.session.step.overlay
    if overlay is not None and overlay.stages:
        fetch_definitions(work, overlay)


def remember_images(session: Session, paths: Mapping[str, str]) -> None:
    """Remember the images of this deploy, for its namespace and for the device's own commands."""
    for key in {namespaced(session, IMAGES), IMAGES}:
        session.remember(key, dict(paths))


def images(session: Session, key: str = IMAGES) -> dict[str, Path]:
    """Return the images of this namespace by label; JobError when one has vanished."""
    remembered = session.recall(namespaced(session, key))
    found = {
        str(label): Path(str(path))
        for label, path in (remembered.items() if isinstance(remembered, Mapping) else ())
    }
    for label, path in found.items():
        if not path.exists():
            raise JobError(f"image {label!r} is not there any more: {path}")
    return found
