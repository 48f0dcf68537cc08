"""Builds the overlay of a namespace and puts it where the device will find it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from labq.actions.overlay.archive import append_to_ramdisk, write_cpio, write_folder, write_tar
from labq.actions.overlay.entries import Entry
from labq.actions.overlay.tree import DeviceFacts, Prepared, overlay_entries
from labq.actions.steps.dictionary import lookup
from labq.actions.steps.shell_run import RunFacts
from labq.actions.steps.sources import fetch_definitions, prepared_definitions
from labq.actions.steps.work import Work, namespaced
from labq.config import load
from labq.domain.plan import OverlaySpec, Seat
from labq.hw.session import Session

_FACTS = TypeAdapter(dict[int, list[RunFacts]])
FOLDER_PLACE = "{FOLDER}"


def bring_overlay(work: Work, *, fetch: bool) -> list[Entry]:
    """Build the overlay of this step; returns its entries, none when the step has no overlay.

    Remembers the archive's path as `overlay`, the folder on the device as `overlay_root` and what
    the test steps need to know as `tests`. A device that sees the run's folder gets it at once.
    """
    spec = work.session.step.overlay
    if spec is None or not spec.stages:
        return []
    if fetch:
        fetch_definitions(work, spec)
    with work.action("lava-overlay", case=True):
        return _build(work, spec)


@dataclass(frozen=True, slots=True)
class Brought:
    """An overlay in a folder of the host: `root` is where a container is to see it."""

    folder: Path
    root: str
    shell: str
    definitions: Mapping[int, Sequence[RunFacts]]


def bring_to_folder(work: Work, spec: OverlaySpec, folder: Path) -> Brought:
    """Fetch the definitions of an overlay and write it below `folder`; others stay remembered."""
    fetch_definitions(work, spec)
    with work.action("lava-create-overlay", case=True):
        prepared = prepared_definitions(work, spec)
        root = overlay_root(work.session, replace(spec, results_dir=_outside(spec.results_dir)))
        shutil.rmtree(folder, ignore_errors=True)
        entries = overlay_entries(_with_host(spec), root, prepared, _facts(work.session))
        write_folder(entries, folder)
    facts = {
        stage.stage: [_run_fact(one) for one in prepared if one.stage == stage.stage]
        for stage in spec.stages
    }
    return Brought(folder / root.lstrip("/"), root, spec.shell, facts)


def _outside(results_dir: str) -> str:
    """Return the folder of results without that of the run, which a container does not see."""
    return results_dir.replace(FOLDER_PLACE, "")


def with_overlay(work: Work, entries: Sequence[Entry], ramdisk: Path) -> Path:
    """Return a copy of the ramdisk with the entries appended; the ramdisk stays as it is."""
    with work.action("compress-ramdisk"):
        copy = ramdisk.parent / "with-overlay" / ramdisk.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        shutil.copyfile(ramdisk, copy)
        archive = io.BytesIO()
        write_cpio(entries, archive, _moment())
        append_to_ramdisk(copy, archive.getvalue())
        work.debug(f"appended the overlay ({archive.tell()} bytes) to a copy of {ramdisk.name}")
        return copy


def overlay_root(session: Session, spec: OverlaySpec) -> str:
    """Return the overlay's folder on the device."""
    root = spec.results_dir.replace("%s", str(session.plan.job))
    return root.replace(FOLDER_PLACE, str(session.folder)).rstrip("/")


def test_facts(session: Session, stage: int) -> list[RunFacts]:
    """Return what the deploy remembered of the definitions of a stage."""
    remembered = session.recall(namespaced(session, "tests"))
    return _FACTS.validate_python(remembered or {}).get(stage, [])


def _build(work: Work, spec: OverlaySpec) -> list[Entry]:
    session = work.session
    prepared = prepared_definitions(work, spec)
    root = overlay_root(session, spec)
    entries = overlay_entries(_with_host(spec), root, prepared, _facts(session))
    archive = session.folder / "overlay" / spec.namespace / f"overlay-{session.step.action}.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)
    write_tar(entries, archive, _moment())
    if FOLDER_PLACE in spec.results_dir:
        shutil.rmtree(root, ignore_errors=True)
        write_folder(entries)
    session.remember(namespaced(session, "overlay"), str(archive))
    session.remember(namespaced(session, "overlay_root"), root)
    session.remember(namespaced(session, "overlay_shell"), spec.shell)
    session.remember(namespaced(session, "tests"), _run_facts(spec, prepared))
    return entries


def _with_host(spec: OverlaySpec) -> OverlaySpec:
    """Add what only the host knows to what the tests are told: the cache that downloads go through."""
    cache = load().http_url_format
    if not cache:
        return spec
    return replace(spec, environment={**spec.environment, "HTTP_CACHE": cache})


def _run_facts(spec: OverlaySpec, prepared: Sequence[Prepared]) -> object:
    facts = {
        stage.stage: [_run_fact(one) for one in prepared if one.stage == stage.stage]
        for stage in spec.stages
    }
    return _FACTS.dump_python(facts, mode="json")


def _run_fact(one: Prepared) -> RunFacts:
    definition, script = one.definition, one.script
    inline = isinstance(definition.repository, Mapping)
    return RunFacts(
        name=one.run_name,
        uuid=one.uuid,
        repository="" if inline else str(definition.repository),
        path=definition.path,
        revision=definition.revision,
        commit=one.commit,
        expected=script.expected if definition.expected is None else definition.expected,
        is_expected_by_job=definition.expected is not None,
        pattern=script.pattern,
        fixups=script.fixups,
    )


def _facts(session: Session) -> DeviceFacts:
    """Return what the helpers print from the dictionary."""
    dictionary = session.plan.dictionary
    static: dict[str, str] = {}
    infos = dictionary.get("static_info")
    for info in infos if isinstance(infos, list | tuple) else ():
        static |= {str(name): str(value) for name, value in info.items()}
    target = ("parameters", "interfaces", "target")
    delay = lookup(dictionary, "character_delays", "test")
    return DeviceFacts(
        values={
            "TARGET_IP": str(lookup(dictionary, *target, "ip") or ""),
            "TARGET_MAC": str(lookup(dictionary, *target, "mac") or ""),
            "PROBE_IP": static.get("probe_ip", ""),
            "PROBE_CHANNEL": static.get("probe_channel", ""),
            "TARGET_STORAGE": _storage(dictionary.get("storage_info")),
            "SIGNAL_DELAY": "sleep 0.1 2>/dev/null || sleep 1" if delay else ":",
            **_group_facts(session.plan.seat),
        },
        is_in_group=session.plan.seat is not None,
    )


def _group_facts(seat: Seat | None) -> dict[str, str]:
    if seat is None:
        return {}
    roles = "\n".join(f"{member}\t{role}" for member, role in seat.roles)
    return {"GROUP_SELF": seat.member, "GROUP_ROLE": seat.role, "GROUP_ROLES": roles}


def _storage(infos: object) -> str:
    lines = []
    for info in infos if isinstance(infos, list | tuple) else ():
        lines += [f"{name}\t{value}" for name, value in info.items()]
    return "\n".join(lines)


def _moment() -> int:
    return int(datetime.now(UTC).timestamp())
