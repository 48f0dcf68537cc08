"""Fetches the test definitions of a job onto the host: inline, git, url."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from labq.actions.overlay.definition import GitSource, parse_definition, read_definition
from labq.actions.overlay.tree import Prepared
from labq.actions.parameters import Artifact
from labq.actions.steps.download import Download, download
from labq.actions.steps.git import Clone, clone
from labq.actions.steps.unpack import unpack_tar
from labq.actions.steps.work import Work, namespaced
from labq.config import load
from labq.domain.deadline import Deadline
from labq.domain.errors import JobError
from labq.domain.plan import OverlaySpec, TestDefinition

_CASES = {"git": "git-repo-action", "inline": "inline-repo-action", "url": "url-repo-action"}


class Fetched(BaseModel):
    """Where a definition lies on the host, and its commit."""

    model_config = ConfigDict(frozen=True)

    folder: str
    commit: str = ""


_FETCHED = TypeAdapter(dict[int, Fetched])


def fetch_definitions(work: Work, spec: OverlaySpec) -> None:
    """Fetch all definitions of the overlay and remember where they are."""
    fetched: dict[int, Fetched] = {}
    root = work.session.folder / "definitions" / (spec.namespace or "common")
    for stage in spec.stages:
        for definition in stage.definitions:
            folder = root / str(definition.index)
            with work.action(_CASES[definition.source], case=True) as deadline:
                commit = _fetch(work, definition, folder, deadline)
                _fetch_repositories(work, definition, folder, deadline)
            fetched[definition.index] = Fetched(folder=str(folder), commit=commit)
    key = namespaced(work.session, "definitions")
    # Others of the namespace may still be needed: a lost run goes back to where they were brought.
    known = _FETCHED.validate_python(work.session.recall(key) or {})
    work.session.remember(key, _FETCHED.dump_python({**known, **fetched}, mode="json"))


def prepared_definitions(work: Work, spec: OverlaySpec) -> list[Prepared]:
    """Return the definitions that `fetch_definitions` brought, parsed."""
    remembered = work.session.recall(namespaced(work.session, "definitions"))
    fetched = _FETCHED.validate_python(remembered or {})
    os = str(work.session.step.parameters.get("os") or "").removesuffix("_installer")
    job, level = work.session.plan.job, work.session.step.action
    found = []
    for stage in spec.stages:
        for definition in stage.definitions:
            where = fetched[definition.index]
            document = _document(definition, Path(where.folder))
            found.append(
                Prepared(
                    definition=definition,
                    script=read_definition(document, definition.parameters, os),
                    stage=stage.stage,
                    uuid=f"{job}_{level}.{stage.stage}.{definition.index}",
                    folder=Path(where.folder),
                    commit=where.commit,
                )
            )
    return found


def _fetch(work: Work, definition: TestDefinition, folder: Path, deadline: Deadline) -> str:
    shutil.rmtree(folder, ignore_errors=True)
    repository = definition.repository
    match definition.source:
        case "inline":
            folder.mkdir(parents=True)
            return ""
        case "git":
            wanted = Clone(
                url=str(repository),
                folder=folder,
                branch=definition.branch,
                revision=definition.revision,
                shallow=definition.shallow,
                recursive=definition.recursive,
                history=definition.history,
            )
            work.info(f"cloning {repository}")
            return clone(work.session, wanted, deadline)
        case _:
            _fetch_url(work, definition, folder)
            return ""


def _fetch_url(work: Work, definition: TestDefinition, folder: Path) -> None:
    """Fetch an archive and unpack it, or a single file that stands at `path`."""
    artifact = Artifact(url=str(definition.repository), headers=dict(definition.headers))
    packed = download(work, Download(artifact=artifact, folder=folder.with_name("packed")))
    if _is_tar(packed):
        limit, strip = load().cache_bytes, definition.strip_components
        unpack_tar(packed, folder, limit=limit, strip=strip)
        return
    target = folder / (definition.path or packed.name)
    if not target.resolve().is_relative_to(folder.resolve()):
        raise JobError(f"path {definition.path!r} leaves its folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(packed, target)


def _is_tar(path: Path) -> bool:
    if path.read_bytes()[:4] == b"\x28\xb5\x2f\xfd":
        return True
    return tarfile.is_tarfile(path)


def _document(definition: TestDefinition, folder: Path) -> Mapping[str, object]:
    if isinstance(definition.repository, Mapping):
        return parse_definition(definition.repository, definition.name)
    where = f"{definition.path!r} of {definition.repository}"
    path = (folder / definition.path).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise JobError(f"test definition {where} is outside of its repository")
    try:
        return parse_definition(path.read_text(errors="replace"), where)
    except OSError as error:
        raise JobError(f"test definition {where} is not there") from error


def _fetch_repositories(
    work: Work, definition: TestDefinition, folder: Path, deadline: Deadline
) -> None:
    """Clone what the definition's `install.git-repos` names into its folder."""
    if {"git-repos", "all"} & set(definition.skip_install):
        return
    script = read_definition(_document(definition, folder), definition.parameters)
    for source in script.repositories:
        target = (folder / _destination(source)).resolve()
        if not target.is_relative_to(folder.resolve()):
            raise JobError(f"git-repos destination {source.destination!r} leaves its folder")
        work.info(f"cloning {source.url}")
        wanted = Clone(url=source.url, folder=target, branch=source.branch)
        clone(work.session, wanted, deadline)


def _destination(source: GitSource) -> str:
    return source.destination or Path(source.url.rstrip("/")).name.removesuffix(".git")
