"""A job's data into a bundle: its rows as JSON, its logs and artifacts as the files they are.

Members are called `jobs/<job>/<kind>.json`, `jobs/<job>/logs/<run>.log` and
`jobs/<job>/<kind>/<run>/<SHA-256>`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from labq.artifact_files import ArtifactFiles
from labq.blobs import Logs
from labq.domain.errors import InfrastructureError
from labq.domain.retention import Kind
from labq.services.archive import rows
from labq.services.archive.bundle import JobWriter
from labq.services.archive.rows import Rows, Scope

FILE_KINDS = (Kind.CONSOLE, Kind.ARTIFACTS)
_BLOCK = 1024 * 1024
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Blobs:
    """The files beside the database."""

    folder: Path
    logs: Logs
    artifacts: ArtifactFiles

    @classmethod
    def below(cls, folder: Path) -> Blobs:
        """Return those below a folder."""
        return cls(folder, Logs(folder), ArtifactFiles(folder))

    def check(self) -> None:
        """Raise InfrastructureError on a machine that does not have them."""
        if not (self.folder / "logs").is_dir():
            raise InfrastructureError(
                f"{self.folder}/logs is not there: core workers that do retention need the "
                "server's LABQ_STATE"
            )


@dataclass(frozen=True, slots=True)
class Packing:
    """The packing of one job."""

    session: Session
    writer: JobWriter
    blobs: Blobs
    scope: Scope

    def add(self, kinds: Collection[Kind]) -> None:
        """Write some kinds of its data. A file that is gone from the disk is left out, with a warning."""
        for kind in kinds:
            found = rows.read(self.session, kind, self.scope)
            text = rows.dump(found)
            self.writer.add(member(self.scope.job, kind), len(text), [text])
            if kind is Kind.LOGS:
                self._add_logs(found)
            elif kind in FILE_KINDS:
                self._add_files(kind, found)

    def _add_logs(self, found: Rows) -> None:
        logs = self.blobs.logs
        for row in found["run_log"]:
            run, size = row["run_id"], _stored(logs, row["run_id"], row["bytes"])
            if size != row["bytes"]:
                log.warning("the log of run %d has %d of its %d bytes", run, size, row["bytes"])
            name = log_member(self.scope.job, run)
            self.writer.add(name, size, _log_blocks(logs, run, size))

    def _add_files(self, kind: Kind, found: Rows) -> None:
        """Add each content once, however many names it has."""
        wanted = {(row["run_id"], row["digest"]) for row in found["artifact"]}
        for run, digest in sorted(wanted):
            path = self.blobs.artifacts.path(run, digest)
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                log.warning("artifact %s of run %d is gone from the disk", digest, run)
                continue
            name = file_member(self.scope.job, kind, run, digest)
            self.writer.add(name, size, _file_blocks(path))


def member(job: int, kind: Kind) -> str:
    """Return the name of the member with the rows of a kind."""
    return f"jobs/{job}/{kind}.json"


def log_member(job: int, run: int) -> str:
    """Return the name of the member with a run's log."""
    return f"jobs/{job}/logs/{run}.log"


def file_member(job: int, kind: Kind, run: int, digest: str) -> str:
    """Return the name of the member with an artifact."""
    return f"jobs/{job}/{kind}/{run}/{digest}"


def _stored(logs: Logs, run: int, known: int) -> int:
    """Return how many bytes of a log there are, which is all that are known unless some are lost."""
    return (
        known
        if known and logs.read(run, known - 1, 1)
        else sum(len(block) for block in _log_blocks(logs, run, known))
    )


def _log_blocks(logs: Logs, run: int, size: int) -> Iterator[bytes]:
    offset = 0
    while offset < size and (block := logs.read(run, offset, min(_BLOCK, size - offset))):
        offset += len(block)
        yield block


def _file_blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
