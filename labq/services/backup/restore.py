"""Brings a bundle or a plain dump into a database, whole or marked as not whole.

From the first change to the last the database has a mark (`services.restore_marker`): no part of
labq begins on it, and the next restore begins anew.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from alembic.script import ScriptDirectory
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class, whatever its name

from labq.domain.errors import ConfigurationError, ConflictError
from labq.services import database_roles, schema
from labq.services.backup import catalog, files, load, scrub, source
from labq.services.backup.links import linked, team
from labq.services.backup.source import Contents, Source
from labq.services.backup.watcher import Watcher
from labq.services.restore_marker import MARKER
from labq.services.upgrading import Upgrading, Wishes

APPLICATION = "labq restore"
RESTORE_LOCK = 5_722_901_351
ACTIVE_SECONDS = 60
FRESH = ".restoring"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """`replaces` what is in the database; `scrubs` secrets and detaches the copy from all hosts.

    `folder` gets logs and artifacts, None for rows only.
    """

    jobs: int
    folder: Path | None
    replaces: bool = False
    scrubs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came in: the revision of the dump, the schema now, how many rows and files."""

    revision: str
    schema: str
    rows: int
    files: int


def restore(
    url: str, path: Path, options: RestoreOptions, watcher: Watcher, *, now: datetime
) -> Restored:
    """Restore what is at `path` into the database at `url`.

    Raises DamagedBundleError for a bundle that is cut or changed, ConflictError for a database that
    is in use, or not empty without `replaces`: in both cases nothing has been changed.
    """
    found = source.find(path, watcher)
    given = found.contents
    _check_revision(given)
    with linked(url, APPLICATION) as lead:
        _take(lead)
        _check_target(lead, options)
        _check_folder(lead, given, options)
        _begin(lead, given, options)
        watcher.phase(f"making the schema {given.revision}")
        _upgrade(url, given.revision, watcher)
        _load(url, found, options, watcher)
        watcher.phase("bringing the schema up to date")
        _upgrade(url, "head", watcher)
        _hide_secrets(lead)
        if options.scrubs:
            scrub.scrub(url, watcher, now)
        with lead.cursor() as cursor:
            # Not before: statistics keep values of columns, secret ones too.
            cursor.execute("ANALYZE")
        count = _restore_files(given, options, watcher)
        current = str(catalog.find_revision(lead))
        _end(lead)
    return Restored(revision=given.revision, schema=current, rows=given.rows, files=count)


def _check_revision(given: Contents) -> None:
    """Raise ConfigurationError for a schema that this labq does not know."""
    script = ScriptDirectory.from_config(schema.configuration())
    if given.revision not in {each.revision for each in script.walk_revisions()}:
        raise ConfigurationError(
            f"{given.path} has the schema {given.revision}, this labq knows those up to "
            f"{script.get_current_head()}: use the labq that made it, or a newer one"
        )


def _take(link: Connection) -> None:
    if _ask(link, "SELECT pg_try_advisory_lock(%s)", RESTORE_LOCK) is not True:
        raise ConflictError("another restore into this database is at work")


def _check_target(link: Connection, options: RestoreOptions) -> None:
    """Raise ConflictError unless everything in the database may go."""
    _check_users(link)
    if _has(link, MARKER):
        return
    things = catalog.find_things(link)
    if not things:
        return
    revision = catalog.find_revision(link)
    if revision is None:
        names = ", ".join(name for _, name in things[:5])
        raise ConflictError(f"the database is not empty and none of labq's: it has {names}")
    if not options.replaces:
        raise ConflictError(
            f"the database is not empty: it has labq's schema {revision}; `--replace` deletes "
            "everything in it"
        )
    _check_hosts(link)


def _check_users(link: Connection) -> None:
    users = _ask(link, _USERS, f"{APPLICATION}%")
    if users:
        raise ConflictError(f"the database is in use by {users}: stop all parts of labq first")


def _check_hosts(link: Connection) -> None:
    """Raise ConflictError while a conductor leads or a host reports."""
    leads = _ask(link, _LEADS) if _has(link, "leader") else None
    if leads:
        raise ConflictError(f"the conductor {leads} leads on this database: stop it first")
    hosts = _ask(link, _HOSTS, ACTIVE_SECONDS) if _has(link, "host") else None
    if hosts:
        raise ConflictError(
            f"the database has active hosts, heard of within {ACTIVE_SECONDS} s: {hosts}; it is not "
            "replaced while they are"
        )


def _check_folder(link: Connection, given: Contents, options: RestoreOptions) -> None:
    """Raise ConflictError when files would be deleted that nobody said may be."""
    folder = options.folder
    if folder is None or given.bundle is None or options.replaces:
        return
    is_begun = _has(link, MARKER) and _ask(link, f"SELECT folder FROM {MARKER}") == str(folder)  # noqa: S608 - a name of our own
    if folder.exists() and any(folder.iterdir()) and not is_begun:
        raise ConflictError(
            f"{folder} is not empty: `--replace` deletes what is in it, `--without-files` leaves it"
        )


def _begin(link: Connection, given: Contents, options: RestoreOptions) -> None:
    """Mark the database, look once more that nobody came before the mark did, then empty it."""
    was_marked = _has(link, MARKER)
    with link.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {MARKER} (source text, folder text)")
        cursor.execute(f"DELETE FROM {MARKER}")  # noqa: S608 - a name of our own
        values = (str(given.path), str(options.folder))
        cursor.execute(f"INSERT INTO {MARKER} VALUES (%s, %s)", values)  # noqa: S608 - as above
        cursor.execute("COMMIT")
    try:
        _check_users(link)
    except ConflictError:
        if not was_marked:
            _end(link)
        raise
    with link.cursor() as cursor:
        cursor.execute("BEGIN")
        for kind, name in catalog.find_things(link):
            cursor.execute(f"DROP {kind} IF EXISTS {name} CASCADE")
        cursor.execute("COMMIT")


def _upgrade(url: str, revision: str, watcher: Watcher) -> None:
    """Move the schema of a marked database, which nobody else may."""
    Upgrading(
        url, schema.configuration(), Wishes(target=revision, is_restoring=True), watcher.phase
    ).run()


def _load(url: str, found: Source, options: RestoreOptions, watcher: Watcher) -> None:
    given = found.contents
    with team(url, APPLICATION, options.jobs) as (loaders, links):
        for link in links:
            load.quicken(link)
        rules = load.make_room(links[0], given.shapes, given.path)
        _hide_secrets(links[0])
        watcher.phase(f"loading {given.rows} rows")
        found.load(loaders, links[0], watcher)
        load.set_sequences(links[0], given.sequences)
        watcher.phase(f"making {len(rules)} indexes and constraints")
        load.make_rules(loaders, links[0], rules, given.path)
        with links[0].cursor() as cursor:
            # Redis may have gone on since: what it has is read anew.
            cursor.execute("UPDATE leader SET generation = '', until = '-infinity'")


def _hide_secrets(link: Connection) -> None:
    """Keep from the role of reports what `labq db roles` keeps from it: the tables are new ones."""
    if _ask(link, "SELECT 1 FROM pg_roles WHERE rolname = %s", database_roles.REPORT):
        with link.cursor() as cursor:
            for table in filter(partial(_has, link), database_roles.SECRETS):
                cursor.execute(f"REVOKE ALL ON {table} FROM {database_roles.REPORT}")


def _restore_files(given: Contents, options: RestoreOptions, watcher: Watcher) -> int:
    folder, bundle = options.folder, given.bundle
    if folder is None or bundle is None or bundle.manifest.files is None:
        return 0
    count = bundle.manifest.files.count
    watcher.phase(f"writing {count} files")
    fresh = folder.with_name(folder.name + FRESH)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o750)
    takes = scrub.keeps_file if options.scrubs else lambda _name: True
    written = files.restore(bundle, fresh, takes, lambda done: watcher.progress(done, count))
    files.put_in_place(fresh, folder)
    return written


def _end(link: Connection) -> None:
    """Take the mark away; with it everything before is on the disk."""
    with link.cursor() as cursor:
        cursor.execute(f"DROP TABLE {MARKER}")


def _has(link: Connection, table: str) -> bool:
    return _ask(link, "SELECT to_regclass(%s) IS NOT NULL", table) is True


def _ask(link: Connection, query: str, *values: object) -> object:
    with link.cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
        return row[0] if row else None


_USERS = """
SELECT string_agg(DISTINCT application_name, ', ') FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND application_name LIKE 'labq %%' AND application_name NOT LIKE %s
"""
_LEADS = "SELECT holder FROM leader WHERE until > clock_timestamp()"
_HOSTS = """
SELECT string_agg(name, ', ' ORDER BY name) FROM host
 WHERE reported_at > clock_timestamp() - make_interval(secs => %s)
"""
