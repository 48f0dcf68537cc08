"""The images that a flasher works on: what the deploy of the namespace fetched, and how to use it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labq.actions.steps.images import images
from labq.domain.errors import JobError
from labq.hw.session import Session


def deployed(session: Session) -> dict[str, Path]:
    """Return the images of this namespace by label; JobError without any."""
    found = images(session)
    if not found:
        raise JobError(f"no images were deployed in namespace {session.step.namespace!r}")
    return found


def image_arguments(session: Session) -> dict[str, str]:
    """Return `image_arg` of the images that were deployed last in this namespace, by label."""
    for step in reversed(session.plan.steps[: session.step.index]):
        found = step.parameters.get("images")
        if step.namespace == session.step.namespace and isinstance(found, Mapping):
            return {
                str(label): str(image["image_arg"])
                for label, image in found.items()
                if isinstance(image, Mapping) and image.get("image_arg")
            }
    return {}
