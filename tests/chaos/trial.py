"""The jobs of the campaign: their tests print numbered lines and report numbered results."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from tests.chaos.fleet import SHELL, UML
from tests.lab.boards import LOGIN, image
from tests.lab.boards import PROMPT as UML_PROMPT
from tests.lab.devices import PROMPT as SHELL_PROMPT
from tests.lab.jobs import Block, boot, definition, deploy, interactive, say, shell_test

LINES = 120
IMAGE = "uml/rootfs.cpio.gz"
JOB_MINUTES = 10
MOST_PAUSES = 4
LONGEST_PAUSE_SECONDS = 1.2
HOLDS = ("hold", "hold", "hold", "hold-long")
SESSION_OF_KERNEL = r"export S=$(sed 's/.* session=\([0-9]*\).*/\1/' /proc/cmdline)"


@dataclass(frozen=True, slots=True)
class Trial:
    """One job as it is submitted: what it must print and report, and whether it ends by itself."""

    name: str
    kind: str
    text: str
    lines: Mapping[str, int]
    cases: tuple[str, ...]
    cancel_after: float | None = None


@dataclass(slots=True)
class _Draft:
    """A test that grows: commands, how many lines under which tag, cases."""

    commands: list[Mapping[str, object]] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    cases: list[str] = field(default_factory=list)

    def burst(self) -> None:
        """Print numbered lines."""
        tag = f"i{len(self.lines)}"
        self.lines[tag] = LINES
        self.commands.append(say(f"for n in $(seq {LINES}); do {_line(tag)}; done"))

    def result(self) -> None:
        """Report a numbered result."""
        case = f"case-{len(self.cases)}"
        self.cases.append(f"0_session.{case}")
        self.commands.append(say(f"echo result of {case}", case))


def draw(
    rng: random.Random,
    name: str,
    kind: str,
    *,
    is_endless: bool,
    longest: float = LONGEST_PAUSE_SECONDS,
) -> Trial:
    """Return a job whose lengths are drawn; an endless one is to be canceled.

    `longest` is how many seconds a pause of its test may take.
    """
    minutes = JOB_MINUTES + ceil(MOST_PAUSES * longest / 60)
    draft = _Draft()
    if kind == UML:
        draft.commands.append(say(SESSION_OF_KERNEL))
    for _ in range(rng.randint(2, MOST_PAUSES)):
        draft.burst()
        draft.result()
        draft.commands.append(say(f"sleep {rng.uniform(0.2, longest):.1f}"))
        draft.result()
    if is_endless:
        draft.commands.append(say("while :; do sleep 0.2; done"))
    blocks = [
        *_start(kind, rng.choice(HOLDS)),
        interactive(*draft.commands, prompts=[_prompt(kind)], timeout={"minutes": minutes}),
    ]
    if rng.random() < 0.4 and not is_endless:
        blocks.append(_definition(draft))
    text = definition(kind, *blocks, name=name, timeouts=_timeouts(minutes))
    after = rng.uniform(0.0, 5.0) if is_endless else None
    return Trial(name, kind, text, draft.lines, tuple(draft.cases), after)


def _start(kind: str, hold: str) -> list[Block]:
    if kind == SHELL:
        return [{"command": {"name": hold}}, boot("minimal", prompts=[SHELL_PROMPT])]
    ramdisk = {"url": image(IMAGE).as_uri()}
    return [
        deploy("tmpfs", images={"ramdisk": ramdisk}),
        {"command": {"name": hold}},
        # One boot in some hundreds fails by itself: the first process cannot fork.
        boot("minimal", prompts=[UML_PROMPT], auto_login=LOGIN, failure_retry=3),
    ]


def _definition(draft: _Draft) -> Block:
    """Return a second test, whose results are signals on the console."""
    cases = [f"signal-{n}" for n in range(5)]
    draft.cases += [f"0_signals.{case}" for case in cases]
    draft.lines["d"] = LINES
    steps = [f"for n in $(seq {LINES}); do {_line('d')}; done"]
    for case in cases:
        steps += [f"lava-test-case {case} --result pass", "sleep 0.1"]
    return shell_test(*steps, name="signals", timeout={"minutes": JOB_MINUTES})


def _line(tag: str) -> str:
    return f"echo L:$S:{tag}:$n\\;"


def _prompt(kind: str) -> str:
    return SHELL_PROMPT if kind == SHELL else UML_PROMPT


def _timeouts(minutes: int) -> Mapping[str, object]:
    """Return limits that nothing but a labq that stands still reaches, commands that sleep neither."""
    limit = {"minutes": minutes}
    return {"job": limit, "action": limit, "connections": {"lava-test-interactive": limit}}
