"""Writes what is due on one day into bundles: read back, named, and noted, before anything goes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import BinaryIO

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from labq.domain.errors import InfrastructureError
from labq.models.retention import ArchiveBundle
from labq.services.archive import rows
from labq.services.archive.bundle import BundleReader, BundleWriter, DamagedBundleError, Written
from labq.services.archive.pack import Blobs, Packing
from labq.services.archive.store import Store, free_bytes
from labq.services.retention import parts, runs
from labq.services.retention.days import Due
from labq.services.retention.runs import Hold

MOST_JOBS = 2000
MOST_BYTES = 256 * 1024**2
"""Of one bundle, before packing; one job alone may have more."""
CHUNK = 20
RESERVE_BYTES = 512 * 1024**2
"""What stays free on the disk on which a bundle is written."""
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bundling:
    """What the writing of bundles needs; `pause` is called between its short transactions."""

    sessions: sessionmaker[Session]
    store: Store
    blobs: Blobs
    hold: Hold
    clock: Callable[[], datetime]
    pause: Callable[[], None]

    def write(self, day: date, due: Sequence[Due]) -> None:
        """Write what lacks in bundles and note it; raises InfrastructureError without room for it."""
        for group in _groups(due):
            self._write_one(day, group)

    def sweep(self) -> None:
        """Remove what a crash left of bundles that were not finished."""
        with self.sessions.begin() as session:
            runs.guard(session, self.hold)
            left = session.execute(
                select(ArchiveBundle.id, ArchiveBundle.name).where(
                    ArchiveBundle.written_at.is_(None)
                )
            ).all()
        for bundle, name in left:
            self.store.remove(name)
            with self.sessions.begin() as session:
                runs.guard(session, self.hold)
                session.execute(delete(ArchiveBundle).where(ArchiveBundle.id == bundle))

    def _write_one(self, day: date, due: Sequence[Due]) -> None:
        bundle, name, schema = self._begin(day)
        path = self.store.draft(name)
        needed = sum(sum(one.job.sizes.values()) for one in due)
        if free_bytes(path) < needed + RESERVE_BYTES:
            free = free_bytes(path)
            raise InfrastructureError(
                f"{path.parent} has {free} bytes free: a bundle may need {needed}, and "
                f"{RESERVE_BYTES} have to stay"
            )
        with path.open("wb") as file:
            writer = BundleWriter(file)
            self._fill(writer, due)
            written = writer.finish(
                name=name, day=str(day), schema=schema, created_at=self.clock().isoformat()
            )
        self.store.publish(name, partial(check, name, written))
        self._finish(bundle, due, written)

    def _begin(self, day: date) -> tuple[int, str, str]:
        """Return the number and name of a new bundle, and the schema of the database."""
        with self.sessions.begin() as session:
            runs.guard(session, self.hold, f"archives {day}")
            row = ArchiveBundle(name="", day=day, begun_at=self.clock())
            session.add(row)
            session.flush()
            row.name = f"labq-{day}-{row.id}.tar.zst"
            schema = session.scalar(text("SELECT version_num FROM alembic_version"))
            return row.id, row.name, str(schema)

    def _fill(self, writer: BundleWriter, due: Sequence[Due]) -> None:
        for chunk in _chunks(due):
            with self.sessions.begin() as session:
                runs.guard(session, self.hold)
            with self.sessions() as session:
                scopes = rows.scopes(session, [one.job.id for one in chunk])
                for one in chunk:
                    with writer.job(one.job.id) as job:
                        Packing(session, job, self.blobs, scopes[one.job.id]).add(one.parts)
            self.pause()

    def _finish(self, bundle: int, due: Sequence[Due], written: Written) -> None:
        with self.sessions.begin() as session:
            runs.guard(session, self.hold)
            session.execute(
                update(ArchiveBundle)
                .where(ArchiveBundle.id == bundle)
                .values(
                    jobs=written.jobs,
                    bytes=written.bytes,
                    sha256=written.sha256,
                    written_at=self.clock(),
                )
            )
            parts.note(session, due, bundle, self.hold)
            runs.add(session, self.hold, bundles=1)


def check(name: str, written: Written, file: BinaryIO) -> None:
    """Read a bundle back and compare it with what was written; raises DamagedBundleError."""
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    if size != written.bytes:
        raise DamagedBundleError(f"{name} is cut at byte {size}: {written.bytes} were written")
    if digest.hexdigest() != written.sha256:
        raise DamagedBundleError(f"{name} does not have the bytes that were written")
    BundleReader(name, file).verify()


def _groups(due: Sequence[Due]) -> Iterator[list[Due]]:
    """Yield what goes into one bundle each."""
    group: list[Due] = []
    size = 0
    for one in due:
        own = sum(one.job.sizes[kind] for kind in one.parts)
        if group and (len(group) >= MOST_JOBS or size + own > MOST_BYTES):
            yield group
            group, size = [], 0
        group.append(one)
        size += own
    if group:
        yield group


def _chunks(due: Sequence[Due]) -> Iterator[Sequence[Due]]:
    for at in range(0, len(due), CHUNK):
        yield due[at : at + CHUNK]
