"""Clones with the git program: no prompts, no transports that run commands, bounded by a deadline."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from labq.actions.steps.download import allowed_file
from labq.config import Settings, load
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError, JobError, LabqError
from labq.hw.session import Session

PROTOCOLS = ("https", "http", "git", "ssh", "file")
_ENVIRONMENT = (
    "GIT_TERMINAL_PROMPT=0",
    "GIT_ASKPASS=true",
    "GIT_CONFIG_NOSYSTEM=1",
    "GIT_SSH_COMMAND=ssh -oBatchMode=yes",
    f"GIT_ALLOW_PROTOCOL={':'.join(PROTOCOLS)}",
)
_REVISION = re.compile(r"^[A-Za-z0-9._][-A-Za-z0-9._/^~@{}]*$")
_SCP_LIKE = re.compile(r"^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^:]")
_SUBMITTERS = ("not found", "does not exist", "Repository not", "not appear to be a git repository")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """What to clone and where; `folder` is replaced."""

    url: str
    folder: Path
    branch: str = ""
    revision: str = ""
    shallow: bool = True
    recursive: bool = False
    history: bool = True


def clone(session: Session, wanted: Clone, deadline: Deadline) -> str:
    """Clone and return the commit's id; JobError for what the submitter must mend."""
    for name in (wanted.branch, wanted.revision):
        if name and not _REVISION.match(name):
            raise JobError(f"{name!r} is no name of a branch or revision")
    shutil.rmtree(wanted.folder, ignore_errors=True)
    wanted.folder.parent.mkdir(parents=True, exist_ok=True)
    _git(session, _clone_arguments(wanted, load()), deadline)
    inside = ["-C", str(wanted.folder)]
    if wanted.revision:
        _git(session, [*inside, "checkout", "--quiet", "--detach", wanted.revision], deadline)
    commit = _git(session, [*inside, "rev-parse", "HEAD"], deadline).strip()
    if not wanted.history:
        shutil.rmtree(wanted.folder / ".git", ignore_errors=True)
    return commit


def _clone_arguments(wanted: Clone, settings: Settings) -> list[str]:
    arguments = ["clone", "--quiet"]
    if settings.http_proxy:
        arguments = ["-c", f"http.proxy={settings.http_proxy}", *arguments]
    if wanted.branch:
        arguments.append(f"--branch={wanted.branch}")
    if wanted.shallow and not wanted.revision:
        arguments.append("--depth=1")
    if wanted.recursive:
        arguments.append("--recurse-submodules")
    return [*arguments, "--", checked_url(wanted.url, settings), str(wanted.folder)]


def checked_url(url: str, settings: Settings) -> str:
    """Return the URL to clone from; raises JobError for transports and folders not allowed."""
    if _SCP_LIKE.match(url):
        return url
    if url.startswith("/"):
        url = f"file://{url}"
    scheme = urlsplit(url).scheme
    if scheme not in PROTOCOLS or url.startswith("-"):
        raise JobError(f"git repository {url!r}: only {', '.join(PROTOCOLS)} are allowed")
    return f"file://{allowed_file(url, settings)}" if scheme == "file" else url


def _git(session: Session, arguments: list[str], deadline: Deadline) -> str:
    finished = session.run(["env", *_ENVIRONMENT, "git", *arguments], deadline)
    if finished.returncode == 0:
        return finished.output
    raise _error(arguments, finished.output)


def _error(arguments: list[str], output: str) -> LabqError:
    message = f"git {' '.join(arguments)} failed: {output.strip()}"
    if any(text in output for text in _SUBMITTERS):
        return JobError(message)
    return InfrastructureError(message)
