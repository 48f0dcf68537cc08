"""All parts of labq on one machine: servers first, then the database's rows, then the parts."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from labq import config
from labq.config import Settings
from labq.domain.errors import ConfigurationError
from labq.services.connections import shares
from labq.supervisor import address, servers, virtual
from labq.supervisor.address import Address
from labq.supervisor.crew import Crew, Stopped
from labq.supervisor.first import read_admin
from labq.supervisor.processes import Part, adopt_orphans
from labq.supervisor.programs import cache_folder
from labq.supervisor.state import State, opened, write_json

WEB = Part(name="web", entry="labq.web.serve:main")
STREAM = Part(name="stream", entry="labq.stream.serve:main")
CONDUCTOR = Part(name="conductor", entry="labq.conductor.serve:main")
CORE = Part(name="core", entry="labq.tasks.core_worker:main")
HOST = Part(name="host", entry="labq.supervisor.host:main")
PARTS = (WEB, STREAM, CONDUCTOR, CORE)
MOST_COPIES = 8
# Imported before the forks, so that all parts share the memory.
PRELOADED = (
    "labq.web.serve",
    "labq.stream.serve",
    "labq.conductor.serve",
    "labq.bench.serve",
    "labq.tasks.core_worker",
    "labq.tasks.host_worker",
)
PREPARE_SECONDS = 300.0
READY_SECONDS = 90.0


def names_of(part: Part, copies: int) -> tuple[str, ...]:
    """Return what the processes of a part are called: `web`, `web2`, `web3`."""
    return (part.name, *(f"{part.name}{number}" for number in range(2, copies + 1)))


# In the order of ending, 10 s in all at most. A Celery worker looks up from its queue every 2 s.
STOPS = (
    (("ready", "first", *names_of(WEB, MOST_COPIES), STREAM.name), 0.5),
    ((*names_of(CONDUCTOR, MOST_COPIES), CORE.name), 2.3),
    ((HOST.name,), 4.8),
    ((servers.REDIS,), 0.7),
    ((servers.POSTGRES,), 1.7),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `labq up` was asked for: `conductors` and `webs` are numbers up to MOST_COPIES."""

    state: Path | None
    port: int | None
    devices: str
    ready_file: Path | None
    conductors: int = 1
    webs: int = 1


def run(options: Options, say: Callable[[str], None]) -> None:
    """Run everything until a signal asks for the end; `say` gets one line for each event.

    Raises ConfigurationError for wrong input, InfrastructureError when something is missing, taken
    or does not start.
    """
    settings = config.load()
    virtual.parse(options.devices)
    with opened(options.state or settings.state) as state:
        at = address.choose(settings, options.port)
        _agree(state, settings, options, at)
        virtual.check_programs(options.devices, cache_folder())
        with _crew(state, say) as crew:
            say(f"starting at {at.url}, state folder {state.given}")
            try:
                _start(crew, state, options, at)
                _announce(state, options.ready_file, at)
                say(f"ready: {at.url} (logs in {state.given / 'log'}; Ctrl-C stops everything)")
                say(f"log in there with the user and token in {state.given / 'server.json'}")
                while not crew.is_stopping:
                    crew.turn()
            except Stopped:
                pass
            say("stopping")


@contextmanager
def _crew(state: State, say: Callable[[str], None]) -> Iterator[Crew]:
    """Give the processes of this machine; all of them end with the block."""
    adopt_orphans()
    crew = Crew(state.logs, say, adopts=True)
    try:
        yield crew
    finally:
        state.running_file.unlink(missing_ok=True)
        for names, seconds in STOPS:
            crew.stop(names, seconds)
        crew.close()


def _agree(state: State, settings: Settings, options: Options, at: Address) -> None:
    """Say to all parts, by the environment, what they have in common."""
    cache = cache_folder()
    os.environ["PATH"] = virtual.with_cached_programs(os.environ.get("PATH", os.defpath), cache)
    os.environ |= {
        "LABQ_STATE": str(state.folder),
        "LABQ_WEB_PORT": str(at.port),
        "LABQ_STREAM_PORT": str(at.stream_port),
        "LABQ_EVENT_PORT": str(at.event_port),
        "LABQ_SHARE_PORT": str(options.webs > 1),
        "LABQ_SECRET_KEY": settings.secret_key or state.secret_key(),
        "LABQ_FILE_FOLDERS": virtual.file_folders(settings.file_folders, cache),
    }


def _start(crew: Crew, state: State, options: Options, at: Address) -> None:
    """Start everything and wait until it answers."""
    numbers = {WEB.name: options.webs, CONDUCTOR.name: options.conductors}
    servers.start(crew, state, shares(numbers).total)
    _preload()
    copies = (str(options.webs), str(options.conductors))
    first = (options.devices, str(state.admin_file), *copies)
    crew.run_once(
        Part(name="first", entry="labq.supervisor.first:main", arguments=first), PREPARE_SECONDS
    )
    for part in _copies(options):
        crew.add(part)
    crew.add(replace(HOST, arguments=(str(state.logs),)))
    answers = (at.host, str(at.port), str(at.stream_port), str(READY_SECONDS))
    crew.run_once(
        Part(name="ready", entry="labq.supervisor.ready:main", arguments=answers),
        READY_SECONDS + 10,
    )


def _copies(options: Options) -> Iterator[Part]:
    """Yield the processes of the server's parts."""
    numbers = {WEB: options.webs, CONDUCTOR: options.conductors}
    for part in PARTS:
        for name in names_of(part, numbers.get(part, 1)):
            yield replace(part, name=name)


def _preload() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _announce(state: State, ready_file: Path | None, at: Address) -> None:
    """Write the ready file and the file by which the same user's command line finds the server."""
    admin = read_admin(state.admin_file)
    if admin is None:
        raise ConfigurationError(f"{state.admin_file} cannot be read")
    facts = {"url": at.url, "user": admin.user, "token": admin.token, "pid": os.getpid()}
    write_json(state.running_file, facts)
    if ready_file is not None:
        write_json(ready_file.absolute(), facts)
