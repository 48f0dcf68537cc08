"""Images of a deploy with the tests written into those that ask for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from labq.actions.overlay.entries import Entry
from labq.actions.parameters import Artifact
from labq.actions.steps.bring import with_overlay
from labq.actions.steps.download import Download
from labq.actions.steps.ext_image import apply_overlay
from labq.actions.steps.images import fetch_all
from labq.actions.steps.work import Work
from labq.domain.errors import Problem

_RAMDISK = "cpio.newc"


def problems(images: Mapping[str, Artifact], path: str = "images.") -> Iterator[Problem]:
    """Yield what cannot be written into an image; `path` stands before its label."""
    for label, image in images.items():
        if image.overlays.keys() - {"lava"}:
            text = "other overlays than lava are not supported by this labq"
            yield Problem(path=f"{path}{label}.overlays", message=text)
        if image.takes_lava_overlay and (image.partition is not None or image.format == "tar"):
            text = "the overlay cannot be written into archives and partitions by this labq"
            yield Problem(path=f"{path}{label}.overlays.lava", message=text)


def fetch(
    work: Work,
    images: Mapping[str, Artifact],
    folder: Path,
    *,
    uniquify: bool = True,
    writable: bool = False,
) -> None:
    """Fetch the images below the folder, each into one of its own unless `uniquify` is off.

    With `writable` they are copies of the cache's files that may be changed.
    """
    fetch_all(
        work,
        {
            label: Download(
                artifact=image,
                folder=folder / label if uniquify else folder,
                writable=writable or image.takes_lava_overlay,
            )
            for label, image in images.items()
        },
    )


def with_overlays(
    work: Work,
    images: Mapping[str, Artifact],
    paths: Mapping[str, Path],
    entries: Sequence[Entry],
) -> dict[str, Path]:
    """Return the images, those with `overlays: {lava: true}` as copies that have the entries."""
    found = dict(paths)
    for label, image in images.items() if entries else ():
        if not image.takes_lava_overlay:
            continue
        if image.format == _RAMDISK:
            found[label] = with_overlay(work, entries, found[label])
        else:
            found[label] = apply_overlay(work, entries, found[label], is_sparse=image.sparse)
    return found
