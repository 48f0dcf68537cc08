"""Images of a deploy, fetched with what is written into them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from labq.actions.overlay.entries import Entry
from labq.actions.parameters import Artifact
from labq.actions.steps import image_overlay
from labq.actions.steps.download import Download
from labq.actions.steps.images import fetch_all
from labq.actions.steps.work import Work
from labq.domain.errors import Problem


def problems(images: Mapping[str, Artifact], path: str = "images.") -> Iterator[Problem]:
    """Yield what cannot be written into an image; `path` stands before its label."""
    for label, image in images.items():
        if image.partition is not None and image.format in ("cpio.newc", "tar"):
            text = f"an image of format {image.format} has no partitions"
            yield Problem(path=f"{path}{label}.partition", message=text)


def fetch(
    work: Work,
    images: Mapping[str, Artifact],
    folder: Path,
    *,
    uniquify: bool = True,
    writable: Collection[str] = (),
) -> None:
    """Fetch the images below the folder, each into one of its own unless `uniquify` is off.

    Those of the labels `writable` are copies of the cache's files that may be changed.
    """
    wanted = {
        label: Download(
            artifact=image,
            folder=folder / label if uniquify else folder,
            writable=label in writable or bool(image.overlays),
        )
        for label, image in images.items()
    }
    for label, image in images.items():
        wanted |= image_overlay.wanted(label, image, folder.with_name(f"{folder.name}.overlays"))
    fetch_all(work, wanted)


def with_overlays(
    work: Work,
    images: Mapping[str, Artifact],
    paths: Mapping[str, Path],
    entries: Sequence[Entry],
) -> dict[str, Path]:
    """Return the images, those with overlays with them in; `entries` are the tests, if any."""
    found = {label: path for label, path in paths.items() if not image_overlay.is_overlay(label)}
    for labelled in images.items():
        found[labelled[0]] = image_overlay.overlaid(work, labelled, paths, entries)
    return found
