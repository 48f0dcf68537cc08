"""A server as in production: real PostgreSQL and Redis, each part and host a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
from typing_extensions import override

from labq.supervisor import postgres, redis
from labq.supervisor.postgres import USER, Postgres
from tests.lab.client import Client
from tests.lab.processes import tree
from tests.lab.server import free_port, program
from tests.lab.waiting import until

DATABASE = "labq"
HOST = "rack"
FIRST = "import sys; from labq.supervisor.first import main; sys.exit(main(*sys.argv[1:]))"
# Tests lose nothing when the machine dies in the middle.
QUICK = {"fsync": "off", "full_page_writes": "off"}
START_SECONDS = 60.0


class TcpPostgres(Postgres):
    """One that is reached by TCP as well, at the port of its settings."""

    @property
    def port(self) -> int:
        """Return the port of 127.0.0.1, which is in the name of the socket too."""
        return int(self.settings["port"])

    @override
    def url(self, database: str, user: str = USER) -> str:
        return f"{super().url(database, user)}&port={self.port}"


def _prepare(folder: Path) -> TcpPostgres:
    settings = {**QUICK, "listen_addresses": "127.0.0.1", "port": str(free_port())}
    made = postgres.prepare(folder, settings)
    return TcpPostgres(made.folder, made.programs, made.account, made.settings)


class Production:
    """The processes by name; what is started again has the same settings and data."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.postgres = _prepare(folder / "postgres")
        self.redis = redis.prepare(folder / "redis")
        self.port, self.token = free_port(), ""
        plain = {name: text for name, text in os.environ.items() if not name.startswith("LABQ_")}
        self.environment = {
            **plain,
            "LABQ_STATE": str(folder / "state"),
            "LABQ_DATABASE_URL": self.postgres.url(DATABASE),
            "LABQ_REDIS_URL": self.redis.url,
            "LABQ_SECRET_KEY": "key of a test",
            "LABQ_CACHE": "off",
            "LABQ_WEB_PORT": str(self.port),
            "LABQ_STREAM_PORT": str(free_port()),
            "LABQ_HOST": HOST,
            **(settings or {}),
        }

    @property
    def url(self) -> str:
        """Return the address of the web server."""
        return f"http://127.0.0.1:{self.port}"

    def database_url_at(self, port: int) -> str:
        """Return the URL of the database behind a port of this machine."""
        return f"postgresql://{USER}@127.0.0.1:{port}/{DATABASE}"

    def client(self) -> Client:
        """Return a new client of an admin."""
        return Client(self.url, self.token)

    def spawn(self, name: str, *argv: str, cwd: Path | None = None, **changes: str) -> int:
        """Start a process and return its id; `changes` are settings without their LABQ_."""
        given = {f"LABQ_{key.upper()}": value for key, value in changes.items()}
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                argv,
                cwd=cwd,
                env={**self.environment, **given},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.processes[name].pid

    def log(self, name: str) -> Path:
        """Return where a process writes."""
        return self.folder / f"{name}.log"

    def start_servers(self) -> None:
        """Start PostgreSQL and Redis."""
        self.start_postgres()
        self.start_redis()

    def start_postgres(self) -> None:
        """Start PostgreSQL and wait until it answers."""
        self.spawn("postgres", *self.postgres.argv, cwd=self.postgres.folder)
        until(self.postgres.is_ready, "PostgreSQL answers", START_SECONDS)

    def start_redis(self) -> None:
        """Start Redis and wait until it answers."""
        self.spawn("redis", *self.redis.argv, cwd=self.redis.folder)
        until(self.redis.is_ready, "Redis answers", START_SECONDS)

    def prepare(self, devices: str = "") -> None:
        """Make the database, an admin, the host and its devices."""
        self.postgres.create(DATABASE)
        admin = self.folder / "admin.json"
        subprocess.run(
            [sys.executable, "-c", FIRST, devices, str(admin), "1", "1"],
            env=self.environment,
            check=True,
            timeout=START_SECONDS,
        )
        self.token = json.loads(admin.read_text())["token"]

    def start(self, part: str, name: str = "", **changes: str) -> int:
        """Start a part of the server (`web`, `stream`, `conductor`, `core`)."""
        return self.spawn(name or part, program(), part, **changes)

    def start_host(self) -> None:
        """Start the lab host: all that it knows of the server is its Redis."""
        self.spawn("host", program(), "host", "run", database_url="", secret_key="")

    def cli(self, *words: str, seconds: float = START_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run `labq WORDS` as an admin of this machine."""
        return subprocess.run(
            [program(), *words],
            env={**self.environment, "LABQ_URL": self.url, "LABQ_TOKEN": self.token},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def wait_until_well(self) -> None:
        """Wait until the web server says that nothing is missing."""
        until(self.is_well, "all is well", START_SECONDS)

    def is_well(self) -> bool:
        """Tell whether nothing is missing, hosts included."""
        try:
            parts = self.health()["parts"]
        except OSError:
            return False
        return len(parts) > 3 and all(part["is_well"] for part in parts)

    def health(self) -> dict[str, Any]:
        """Return what the web server says of its parts."""
        client = Client(self.url)
        found: dict[str, Any] = client.get("/system/health").json
        client.close()
        return found

    def members(self, name: str) -> list[int]:
        """Return the ids of a process and all below it."""
        return [process.pid for process in tree(self.processes[name].pid)]

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a process and all below it."""
        for pid in self.members(name):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self, name: str) -> None:
        """Ask a process to end, and wait for that."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)

    def kill(self, *names: str) -> None:
        """Kill processes and all below them, all at once."""
        for name in names:
            self.signal(name, signal.SIGSTOP)
        for name in names:
            self.signal(name, signal.SIGKILL)
        for name in names:
            self.processes.pop(name).wait()

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop a process and all below it as SIGSTOP does, until the block is left."""
        self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(name, signal.SIGCONT)

    def ask(self, query: str) -> Any:
        """Return the first value that the database has for a query."""
        connection = psycopg2.connect(self.postgres.url(DATABASE))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query)
                row = cursor.fetchone()
                return row[0] if row else None
        finally:
            connection.close()

    def change(self, statements: str) -> None:
        """Run statements on the database."""
        connection = psycopg2.connect(self.postgres.url(DATABASE))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statements)
        finally:
            connection.close()

    def close(self) -> None:
        """End everything, servers last; the host may power off its devices first."""
        for name in ("host", *reversed(self.processes)):
            process = self.processes.get(name)
            if process and process.poll() is None:
                number = signal.SIGINT if name in ("postgres", "replica") else signal.SIGTERM
                process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(15)
        for name in list(self.processes):
            self.kill(name)


@contextmanager
def server(
    folder: Path, devices: str, settings: Mapping[str, str] | None = None
) -> Iterator[Production]:
    """Run PostgreSQL, Redis and the parts of a server with one host, until the block is left."""
    made = Production(folder, settings)
    try:
        made.start_servers()
        made.prepare(devices)
        for part in ("web", "stream", "conductor", "core"):
            made.start(part)
        made.start_host()
        made.wait_until_well()
        yield made
    finally:
        made.close()
