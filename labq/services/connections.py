"""How many connections each part of the server may take, and who of them is at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from labq.services.database import Role

APART = 1
"""Of each process: the one by which it tries whether the database answers (services/silence.py)."""
LISTENING = 1
"""Of each process that hears notifications."""
FOR_COMMANDS = Role.COMMAND.value.most + Role.MIGRATION.value.most + 2
"""For `labq db`, and for an admin with psql."""


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of process: the roles that it plays, and what it takes beside their pools."""

    name: str
    roles: tuple[Role, ...]
    beside: int

    def most(self, *without: Role) -> int:
        """Return how many connections one process may have at once."""
        pools = sum(role.value.most for role in self.roles if role not in without)
        return pools + self.beside


WEB = Part("web", (Role.PAGE, Role.API, Role.REPORT), APART + LISTENING)
STREAM = Part("stream", (Role.STREAM,), APART + LISTENING)
CONDUCTOR = Part("conductor", (Role.CONDUCTOR,), APART)
CORE = Part("core", (Role.CORE,), APART)
PARTS = (WEB, STREAM, CONDUCTOR, CORE)
Numbers = Mapping[str, int]
"""How many processes there are of each part, by its name."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How many connections all processes together may take: as readers, for reports, of the rest."""

    web: int
    report: int
    rest: int

    @property
    def total(self) -> int:
        """Return how many there must be, without those that PostgreSQL reserves for its superuser."""
        return self.web + self.report + self.rest


@dataclass(frozen=True, slots=True)
class Use:
    """What the processes at work may take, and what the server gives out to others than superusers."""

    numbers: Numbers
    may_take: int
    given_out: int


def shares(numbers: Numbers) -> Shares:
    """Return what these processes need; one of a part that is not named."""
    count = {part.name: numbers.get(part.name, 1) for part in PARTS}
    reports = Role.REPORT.value.most
    return Shares(
        web=WEB.most(Role.REPORT) * count["web"] + STREAM.most() * count["stream"],
        report=reports * count["web"] + 1,
        rest=CONDUCTOR.most() * count["conductor"] + CORE.most() * count["core"] + FOR_COMMANDS,
    )


def find_use(connection: Connection) -> Use:
    """Return what is at work on this server now, by the names of its connections."""
    names = connection.scalars(
        text("SELECT DISTINCT application_name FROM pg_stat_activity WHERE application_name ~ '@'")
    )
    numbers = count_parts(names)
    given_out = connection.scalar(
        text(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
        )
    )
    may_take = sum(part.most() * numbers[part.name] for part in PARTS) + FOR_COMMANDS
    return Use(numbers, may_take, int(given_out or 0))


def count_parts(names: Iterable[str]) -> Numbers:
    """Return how many processes of each part have these names (see `database.make_engine`)."""
    part_of = {role.name.lower(): part.name for part in PARTS for role in part.roles}
    processes = set()
    for name in names:
        words = name.split()
        if len(words) == 3 and words[1] in part_of:
            processes.add((part_of[words[1]], words[2]))
    counts = Counter(part for part, _ in processes)
    return {part.name: counts[part.name] for part in PARTS}
