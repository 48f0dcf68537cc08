"""The tree of one overlay: helpers, environment, and a folder for each definition."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml

from labq.actions.overlay import scripts
from labq.actions.overlay.definition import TestScript
from labq.actions.overlay.entries import SCRIPT_MODE, Entry, folders, text, tree, without_doubles
from labq.domain.plan import OverlaySpec, TestDefinition

_PLACE = re.compile(r"@([A-Z_]+)@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A definition ready to be packed: its script, and its folder on the host (None: inline)."""

    definition: TestDefinition
    script: TestScript
    stage: int
    uuid: str
    folder: Path | None = None
    commit: str = ""

    @property
    def run_name(self) -> str:
        """Return the name of its suite, and of its case in suite `lava`."""
        return f"{self.definition.index}_{self.definition.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What the helpers have baked in from the dictionary, and from the group of the job."""

    values: Mapping[str, str]
    is_in_group: bool = False

    def fill(self, script: str, root: str) -> str:
        """Return a helper with its places filled."""
        values = {**self.values, "ROOT": shlex.quote(root)}
        return _PLACE.sub(lambda place: values.get(place.group(1), ""), script)


def overlay_entries(
    spec: OverlaySpec, root: str, prepared: Sequence[Prepared], facts: DeviceFacts
) -> list[Entry]:
    """Return all entries of the overlay; `root` is its folder on the device."""
    entries = [*folders(root), *_helpers(spec, root, facts)]
    entries += [Entry(f"{root}/{name}", 0o755) for name in ("results", "tests")]
    entries.append(text(f"{root}/environment", scripts.environment(spec.environment)))
    if spec.secrets:
        entries.append(Entry(f"{root}/secrets", 0o600, scripts.secrets(spec.secrets).encode()))
    for stage in spec.stages:
        mine = [one for one in prepared if one.stage == stage.stage]
        entries += _stage(f"{root}/{stage.stage}", mine)
    return without_doubles(entries)


def _helpers(spec: OverlaySpec, root: str, facts: DeviceFacts) -> Iterator[Entry]:
    yield Entry(f"{root}/bin", 0o755)
    overlay = files("labq.actions.overlay")
    folders_of = ["shell", *(["shell_group"] if facts.is_in_group else [])]
    found = [helper for folder in folders_of for helper in overlay.joinpath(folder).iterdir()]
    for helper in sorted(found, key=_name):
        content = f"#!{spec.shell}\n\n{facts.fill(helper.read_text(), root)}"
        yield text(f"{root}/bin/{helper.name}", content, SCRIPT_MODE)


def _name(item: object) -> str:
    return str(getattr(item, "name", ""))


def _stage(path: str, prepared: Sequence[Prepared]) -> Iterator[Entry]:
    paths = [f"{path}/tests/{one.run_name}" for one in prepared]
    yield Entry(path, 0o755)
    yield text(f"{path}/lava-test-runner.conf", "".join(f"{one}\n" for one in paths))
    yield Entry(f"{path}/tests", 0o755)
    for one, folder in zip(prepared, paths, strict=True):
        yield from _definition(one, folder)


def _definition(one: Prepared, folder: str) -> Iterator[Entry]:
    yield Entry(folder, 0o755)
    if one.folder is not None:
        yield from tree(one.folder, folder)
    yield text(f"{folder}/testdef.yaml", one.script.text)
    yield text(f"{folder}/testdef_metadata", yaml.safe_dump(_metadata(one)))
    yield text(f"{folder}/uuid", f"{one.uuid}\n")
    install = scripts.install_script(one.script, one.definition, folder)
    yield text(f"{folder}/install.sh", install, SCRIPT_MODE)
    run = scripts.run_script(one.script, one.definition, folder)
    yield text(f"{folder}/run.sh", run, SCRIPT_MODE)


def _metadata(one: Prepared) -> dict[str, str]:
    definition = one.definition
    repository = definition.repository if isinstance(definition.repository, str) else "inline"
    return {"name": definition.name, "repository": repository, "commit_id": one.commit}
