"""The folder of a namespace that deploy `downloads` fills and `downloads://` URLs name files of."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from labq.domain.errors import JobError
from labq.hw.session import Session

SCHEME = "downloads"


def downloads_folder(session: Session, namespace: str = "") -> Path:
    """Return the folder of a namespace (empty: the step's), which need not be there."""
    return session.folder / "downloads" / (namespace or session.step.namespace)


def name_in_downloads(url: str) -> str:
    """Return what a `downloads://` URL names, relative to the folder."""
    parts = urlsplit(url)
    return unquote(f"{parts.netloc}{parts.path}")


def downloaded_file(session: Session, url: str) -> Path:
    """Return the file of a `downloads://` URL; JobError when it is not below the folder."""
    folder = downloads_folder(session)
    path = folder / name_in_downloads(url)
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        had = sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
        there = ", ".join(had[:20]) or "nothing"
        raise JobError(f"{url}: no such file was downloaded in this namespace; there is: {there}")
    return path
