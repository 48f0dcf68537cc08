"""Server, conductors, hosts, devices and the network between them, for one campaign."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from labq.supervisor.programs import cache_folder
from labq.supervisor.virtual import with_cached_programs
from tests.chaos import clock, fleet
from tests.chaos.fleet import Device
from tests.chaos.lab_host import LabHost
from tests.chaos.network import Network, choose
from tests.chaos.relay import Address
from tests.chaos.syncs import Notes
from tests.chaos.unit import Unit
from tests.lab import parts
from tests.lab.client import Client
from tests.lab.server import free_port
from tests.lab.waiting import until

ROOT = Path(__file__).parents[2]
HOSTS = ("h1", "h2")
SHELLS, UMLS = 20, 10
SLOTS = {"LABQ_BOOT_SLOTS": "6", "LABQ_DEPLOY_SLOTS": "8", "LABQ_DOWNLOAD_SLOTS": "8"}
UP_SECONDS, STOP_SECONDS = 120.0, 20.0
AWAY = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Ground:
    """A running labq whose parts may be broken."""

    folder: Path
    server: Unit
    second: Unit
    hosts: Mapping[str, LabHost]
    devices: tuple[Device, ...]
    network: Network
    url: str
    token: str

    def client(self) -> Client:
        """Return a new connection to the server."""
        return Client(self.url, self.token)

    def units(self) -> tuple[Unit, ...]:
        """Return what the campaign itself keeps running."""
        return (self.server, self.second, *(host.unit for host in self.hosts.values()))

    def keep(self) -> None:
        """Start again what has ended; to be called often."""
        for unit in self.units():
            unit.keep()

    def server_part(self, name: str) -> int | None:
        """Return the process of a part of the server, None while there is none."""
        root = self.server.pid
        try:
            return None if root is None else parts.find(root, name)
        except AssertionError:
            return None

    @property
    def redis_folder(self) -> Path:
        """Return where the private Redis keeps its data."""
        return self.folder / "server" / "redis"

    @property
    def redis_url(self) -> str:
        """Return the URL of the private Redis, past all relays."""
        told = redis_facts(self.redis_folder)
        return f"redis://:{told['requirepass']}@127.0.0.1:{told['port']}/0"

    @property
    def database_url(self) -> str:
        """Return the URL of the private PostgreSQL."""
        return f"postgresql://labq@/labq?host={self.folder / 'server' / 'postgres'}"


def redis_facts(folder: Path) -> dict[str, str]:
    """Return what the configuration of a private Redis says."""
    lines = (folder / "redis.conf").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines if " " in line)


@contextmanager
def prepared(folder: Path, *, network: str, broken: str) -> Iterator[Ground]:
    """Run everything until the block is left; nothing is asked for anything then."""
    way = choose(network, HOSTS)
    try:
        yield _build(folder, way, broken)
    finally:
        way.close()


def _build(folder: Path, network: Network, broken: str) -> Ground:
    plain = _environment(folder, broken)
    server = _server(folder, plain)
    server.start()
    facts = _wait(server, folder)
    devices = fleet.make(folder / "devices", HOSTS, SHELLS, UMLS)
    state = folder / "server"
    second = Unit(
        "conductor-2", _labq("conductor"), plain | _addresses(state), folder / "conductor-2.log"
    )
    hosts = {name: _host(folder, plain, network, name) for name in HOSTS}
    ground = Ground(folder, server, second, hosts, devices, network, facts["url"], facts["token"])
    _enroll(ground)
    for unit in (second, *(host.unit for host in hosts.values())):
        unit.start()
    _add_devices(ground)
    return ground


def _environment(folder: Path, broken: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("LABQ_")}
    return {
        **inherited,
        "PATH": with_cached_programs(os.environ.get("PATH", os.defpath), cache_folder()),
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(cache_folder().parent),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "home"),
        "HOME": str(folder / "home"),
        "CHAOS_BREAK": broken,
        **SLOTS,
    }


def _labq(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.chaos.launch", *words)


def _server(folder: Path, plain: Mapping[str, str]) -> Unit:
    state, ready = folder / "server", folder / "ready.json"
    words = ("up", "--state", str(state), "--port", str(free_port()), "--devices", "shell=0")
    environment = {**plain, "LABQ_STREAM_PORT": str(free_port())}
    return Unit("up", _labq(*words, "--ready-file", str(ready)), environment, folder / "server.log")


def _wait(server: Unit, folder: Path) -> dict[str, str]:
    ready = folder / "ready.json"

    def is_up() -> bool:
        assert server.pid, (folder / "server.log").read_text()[-3000:]
        return ready.exists() and ready.stat().st_size > 0

    until(is_up, "the server is ready", UP_SECONDS)
    facts: dict[str, str] = json.loads(ready.read_text())
    return facts


def _host(folder: Path, plain: Mapping[str, str], network: Network, name: str) -> LabHost:
    home, notes = folder / name, Notes(folder / f"{name}.syncs")
    home.mkdir()
    redis = folder / "server" / "redis"
    told = redis_facts(redis)

    def target() -> Address:
        return "127.0.0.1", int(redis_facts(redis)["port"])

    address, port = network.connect(name, target)
    environment = {
        **plain,
        "HOME": str(home),
        "LABQ_HOST": name,
        "LABQ_STATE": str(home / "state"),
        "LABQ_HOST_FOLDER": str(home / "bench"),
        "LABQ_REDIS_URL": f"redis://:{told['requirepass']}@{address}:{port}/0",
        "LABQ_FILE_FOLDERS": str(cache_folder() / "images"),
        "CHAOS_SYNCS": str(notes.folder),
        "CHAOS_BOOT": str(home / "boot_id"),
        **clock.environment(home / "clock"),
    }
    argv = (*network.prefix(name), *_labq("host", "run"))
    unit = Unit(name, argv, environment, folder / f"{name}.log")
    host = LabHost(name, unit, home, home / "bench", notes)
    host.boot()
    return host


def _addresses(state: Path) -> dict[str, str]:
    told = redis_facts(state / "redis")
    return {
        "LABQ_STATE": str(state),
        "LABQ_DATABASE_URL": f"postgresql://labq@/labq?host={state / 'postgres'}",
        "LABQ_REDIS_URL": f"redis://:{told['requirepass']}@127.0.0.1:{told['port']}/0",
    }


def _enroll(ground: Ground) -> None:
    connection = psycopg2.connect(ground.database_url)
    with connection, connection.cursor() as cursor:
        for name in ground.hosts:
            cursor.execute(
                "INSERT INTO host (name, address, state, health)"
                " VALUES (%s, '127.0.0.1', 'offline', 'active')",
                (name,),
            )
    connection.close()


def _add_devices(ground: Ground) -> None:
    client = ground.client()
    for device in ground.devices:
        body = {
            "name": device.name,
            "device_type": device.kind,
            "host": device.host,
            "template": device.file(),
            "health": "good",
        }
        answer = client.post("/devices", body)
        assert answer.status == 201, answer.text
    client.close()


def stop(ground: Ground) -> list[str]:
    """Stop hosts, then the server, as their users do; return what did not stop by itself."""
    late = []
    for unit in (*(host.unit for host in ground.hosts.values()), ground.second, ground.server):
        if not unit.stop(signal.SIGTERM, STOP_SECONDS):
            late.append(unit.name)
        for pid in unit.pids:
            clock.forget(pid)
    return late
