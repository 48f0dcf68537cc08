"""The story with the numbers that its rows get, and what follows from them for single jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from labq.fill import shapes, words
from labq.fill.cast import PERSONAL, PUBLIC, Board, TypeOfDevice
from labq.fill.copytext import day_of, day_text
from labq.fill.recipes import RECIPES, Recipe
from labq.fill.shapes import Shape
from labq.fill.story import NOBODY, Pin, Story

_FIRST_PORT = 7001


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """The highest id of each table before the fill: all are 0 in an empty database."""

    user: int = 0
    group: int = 0
    audience: int = 0
    device: int = 0
    job: int = 0
    run: int = 0
    suite: int = 0
    case: int = 0


@dataclass(frozen=True, slots=True)
class Book:
    """A story and its numbers."""

    story: Story
    bases: Bases = field(default_factory=Bases)

    def user(self, index: int) -> int:
        """Return a user's id."""
        return self.bases.user + index + 1

    def group(self, index: int) -> int:
        """Return a group's id."""
        return self.bases.group + index + 1

    def device(self, index: int) -> int:
        """Return a device's id."""
        return self.bases.device + index + 1

    def job(self, index: int) -> int:
        """Return a job's id."""
        return self.bases.job + index + 1

    def run(self, index: int) -> int:
        """Return the id of a job's last run."""
        return self.bases.run + self.story.last_run[index]

    def audience(self, index: int) -> int:
        """Return the id of a job's audience; each submitter has one for personal jobs."""
        found = self.story.audience[index]
        if found == PUBLIC:
            return 0
        if found == PERSONAL:
            return self.personal(self.story.submitter[index])
        return self.shared(found)

    def shared(self, audience: int) -> int:
        """Return the id of an audience that is a set of groups."""
        return self.bases.audience + audience - 1

    def personal(self, user: int) -> int:
        """Return the id of the audience of a user's personal jobs."""
        return self.bases.audience + len(self.story.cast.audiences) - 1 + user

    def type_of(self, job: int) -> TypeOfDevice:
        """Return a job's device type."""
        return self.story.cast.types[self.story.kind[job]]

    def recipe(self, job: int) -> Recipe:
        """Return what a job tests."""
        return RECIPES[self.story.recipe[job]]

    def shape(self, job: int) -> Shape:
        """Return what a job has in common with its like."""
        kind = self.type_of(job)
        return shapes.shape(self.story.recipe[job], kind.family, kind.arch)

    def make_shapes(self) -> None:
        """Make the shapes of all jobs, each of which takes as long as thousands of rows."""
        families = {(kind.family, kind.arch) for kind in self.story.cast.types}
        for recipe in sorted(set(self.story.recipe)):
            for family, arch in sorted(families):
                shapes.shape(recipe, family, arch)

    def tags(self, job: int) -> tuple[str, ...]:
        """Return the tags that a job asks for: one in sixteen wants one that its device has."""
        device = self.story.device[job]
        if device == NOBODY or self.story.build[job] % 16 or self.story.pin[job] != Pin.NOTHING:
            return ()
        return self.story.cast.boards[device].tags[:1]

    def name(self, job: int) -> str:
        """Return a job's name."""
        short, branch, _ = words.TREES[self.story.tree[job]]
        if self.story.pin[job] == Pin.HEALTH_CHECK:
            return f"health check of {self.type_of(job).name}"
        day = day_of(self.story.submitted[job])
        version = version_of(short, day)
        return f"{branch} {version} {self.recipe(job).name} on {self.type_of(job).name}"

    def values(self, job: int) -> dict[str, str]:
        """Return what stands in the places of a job's definition."""
        story, kind = self.story, self.type_of(job)
        short, branch, repository = words.TREES[story.tree[job]]
        day = day_of(story.submitted[job])
        config = words.CONFIGS[story.build[job] * 7 % len(words.CONFIGS)]
        compiler = words.COMPILERS[story.build[job] * 3 % len(words.COMPILERS)]
        build = str(day * 4 + (story.build[job] & 3))
        commit = _digest(short, build)
        version = version_of(short, day)
        wanted = story.wanted[job] if story.pin[job] == Pin.DEVICE else NOBODY
        return {
            "job_name": self.name(job),
            "kind": kind.name,
            "arch": kind.arch,
            "priority": str(story.priority[job]),
            "visibility": self.visibility(job),
            "tags": f"[{', '.join(self.tags(job))}]",
            "wanted": "" if wanted == NOBODY else f"\ndevice: {story.cast.boards[wanted].name}",
            "tree": short,
            "branch": branch,
            "repository": repository,
            "config": config,
            "compiler": compiler,
            "build": build,
            "version": version,
            "describe": f"{version}-{int(commit[:3], 16)}-g{commit[:12]}",
            "commit": commit,
            "definitions": _digest("definitions", str(day // 30)),
            "plan": self.recipe(job).name,
            "storage": f"https://storage.example.org/{short}/{build}/{kind.arch}/{config}/{compiler}",
        }

    def visibility(self, job: int) -> str:
        """Return who may see a job, as its definition says it."""
        audience = self.story.audience[job]
        if audience == PUBLIC:
            return "public"
        if audience == PERSONAL:
            return "personal"
        cast = self.story.cast
        names = ", ".join(cast.groups[group] for group in cast.audiences[audience])
        return f"{{group: [{names}]}}"

    def board_values(self, device: int) -> Mapping[str, str]:
        """Return what stands in the places of a device's file and of the plans for it."""
        board = self.story.cast.boards[device]
        return _board_values(self.story, device, board)

    def day(self, job: int) -> str:
        """Return the UTC day on which a job was submitted, which names its partition."""
        return day_text(day_of(self.story.submitted[job]))


def host_address(index: int) -> str:
    """Return the address of a host as devices see it."""
    return f"10.{index // 250}.{index % 250}.1"


def version_of(tree: str, day: int) -> str:
    """Return what is built of a tree on a day."""
    week = day // 7
    match tree:
        case "next":
            return f"next-{day_text(day).replace('-', '')}"
        case "mainline":
            return f"v6.{week // 9 - 310}-rc{week % 9 + 1}"
        case "vendor":
            return f"bsp-{day_text(day)[:7]}.{day % 31}"
        case _:
            return f"v{tree.removeprefix('lts-')}.{week - 2700}"


def _board_values(story: Story, device: int, board: Board) -> Mapping[str, str]:
    kind = story.cast.types[board.kind]
    return {
        "device": board.name,
        "kind": kind.name,
        "arch": kind.arch,
        "host": story.cast.hosts[board.host],
        "address": host_address(board.host),
        "port": str(_FIRST_PORT + device % 48),
        "outlet": str(1 + device % 24),
    }


@lru_cache(maxsize=4096)
def _digest(*words_of_it: str) -> str:
    """Return forty hexadecimal digits that follow from words."""
    return hashlib.sha1(" ".join(words_of_it).encode(), usedforsecurity=False).hexdigest()
