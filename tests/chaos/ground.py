"""Server, hosts, devices and the network between them, for one campaign."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from labq.supervisor.programs import cache_folder
from labq.supervisor.virtual import with_cached_programs
from tests.chaos import clock, fleet
from tests.chaos.fleet import Device
from tests.chaos.lab_host import LabHost, part_below
from tests.chaos.network import Network, choose
from tests.chaos.syncs import Notes
from tests.chaos.unit import Unit
from tests.lab import parts
from tests.lab.client import Client
from tests.lab.server import free_port, program
from tests.lab.waiting import until

ROOT = Path(__file__).parents[2]
HOSTS = ("h1", "h2")
SHELLS, UMLS = 20, 10
SLOTS = {"LABQ_BOOT_SLOTS": "6", "LABQ_DEPLOY_SLOTS": "8", "LABQ_DOWNLOAD_SLOTS": "8"}
UP_SECONDS, STOP_SECONDS, CLI_SECONDS = 120.0, 20.0, 60.0
SERVERS = ("redis", "postgres")
AWAY = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Ground:
    """A running labq whose parts may be broken."""

    folder: Path
    server: Unit
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
        return (self.server, *(host.unit for host in self.hosts.values()))

    def keep(self) -> None:
        """Start again what has ended; to be called often."""
        for unit in self.units():
            unit.keep()

    def server_part(self, name: str) -> int | None:
        """Return the process of a part of the server, None while there is none."""
        root = self.server.pid
        if root is None or name == "supervisor":
            return root
        if name not in SERVERS:
            return part_below(root, name)
        try:
            return parts.find(root, name)
        except AssertionError:
            return None

    @property
    def redis_folder(self) -> Path:
        """Return where the private Redis keeps its data."""
        return self.folder / "server" / "redis"

    @property
    def redis_url(self) -> str:
        """Return the URL of the private Redis for its admin, past all relays."""
        lines = (self.redis_folder / "redis.conf").read_text().splitlines()
        told = dict(line.split(" ", 1) for line in lines if " " in line)
        authority = quote(told["tls-ca-cert-file"].strip('"'))
        place = f"{told['requirepass']}@127.0.0.1:{told['tls-port']}/0"
        return f"rediss://:{place}?ssl_ca_certs={authority}"

    @property
    def database_url(self) -> str:
        """Return the URL of the private PostgreSQL."""
        return f"postgresql://labq@/labq?host={self.folder / 'server' / 'postgres'}"


@contextmanager
def prepared(folder: Path, *, network: str, broken: str) -> Iterator[Ground]:
    """Build everything and run it until the block is left, which has to stop it."""
    way = choose(network, HOSTS)
    try:
        yield _build(folder, way, _environment(folder, broken))
    finally:
        way.close()


def stop(ground: Ground) -> list[str]:
    """Stop hosts, then the server, as their users do; return what did not stop by itself."""
    late = []
    for unit in (*(host.unit for host in ground.hosts.values()), ground.server):
        if not unit.stop(signal.SIGTERM, STOP_SECONDS):
            late.append(unit.name)
        for pid in unit.pids:
            clock.forget(pid)
    return late


def _build(folder: Path, network: Network, plain: Mapping[str, str]) -> Ground:
    port = free_port()
    server = _server(folder, plain, f"{network.address}:{port}")
    server.start()
    try:
        facts = _wait(server, folder)
        devices = fleet.make(folder / "devices", HOSTS, SHELLS, UMLS)
        hosts = {name: _host(folder, plain, network, name) for name in HOSTS}
        ground = Ground(folder, server, hosts, devices, network, facts["url"], facts["token"])
        for host in hosts.values():
            _join(ground, host, plain, port)
            host.unit.start()
        _add_devices(ground)
    except BaseException:
        server.stop(signal.SIGTERM, STOP_SECONDS)
        raise
    return ground


def _environment(folder: Path, broken: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("LABQ_")}
    return {
        **inherited,
        "PATH": with_cached_programs(os.environ.get("PATH", os.defpath), cache_folder()),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "tests" / "chaos" / "site"), str(ROOT))),
        "XDG_CACHE_HOME": str(cache_folder().parent),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "home"),
        "HOME": str(folder / "home"),
        "CHAOS_BREAK": broken,
        **SLOTS,
    }


def _server(folder: Path, plain: Mapping[str, str], hosts_address: str) -> Unit:
    options = {
        "state": folder / "server",
        "port": free_port(),
        "devices": "shell=0",
        "conductors": 2,
        "webs": 2,
        "hosts-address": hosts_address,
        "ready-file": folder / "ready.json",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    environment = {**plain, "LABQ_STREAM_PORT": str(free_port())}
    return Unit("up", (program(), "up", *words), environment, folder / "server.log")


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
    environment = {
        **plain,
        "HOME": str(home),
        "LABQ_STATE": str(home / "state"),
        "LABQ_FILE_FOLDERS": str(cache_folder() / "images"),
        "CHAOS_SYNCS": str(notes.folder),
        "CHAOS_BOOT": str(home / "boot_id"),
        **clock.environment(home / "clock"),
    }
    argv = (*network.prefix(name), program(), "host", "run", name)
    unit = Unit(name, argv, environment, folder / f"{name}.log")
    host = LabHost(name, unit, home, home / "state" / "hosts" / name, notes, environment)
    host.boot()
    return host


def _join(ground: Ground, host: LabHost, plain: Mapping[str, str], port: int) -> None:
    """Let a host join; what it keeps then leads it to the relay."""
    admin = {**plain, "LABQ_URL": ground.url, "LABQ_TOKEN": ground.token}
    made = json.loads(_cli(admin, "host", "enroll", host.name, "--json"))
    words = ("--code", made["code"], "--ca", f"sha256:{made['ca_sha256']}")
    _cli(host.environment, "host", "join", ground.url, *words)
    line = ground.network.connect(host.name, lambda: (ground.network.address, port))
    path = host.folder / "host.json"
    facts = json.loads(path.read_text())
    parts_of_url = urlsplit(facts["redis_url"])
    place = f"{parts_of_url.netloc.rpartition(':')[0]}:{line[1]}"
    facts["redis_url"] = parts_of_url._replace(netloc=place).geturl()
    path.write_text(json.dumps(facts))
    host.notes.settle(host.folder)


def _cli(environment: Mapping[str, str], *words: str) -> str:
    done = subprocess.run(
        (program(), *words),
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=CLI_SECONDS,
        check=False,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


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
