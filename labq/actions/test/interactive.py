"""Test `interactive`: send commands over the console and judge what comes back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo

from labq.actions.method import Method
from labq.actions.parameters import Parameters
from labq.actions.steps.dictionary import character_delay
from labq.actions.steps.kernel import FATAL, FATAL_PATTERNS, KernelMessages
from labq.actions.steps.loader_values import extra_files
from labq.actions.steps.shell_group import perform
from labq.actions.steps.signals import GroupCall
from labq.actions.steps.suite import Measured, Suite
from labq.actions.steps.work import Work, expired
from labq.actions.values import Flag, Maybe, Name, NonEmpty, Text, integer, is_run, text
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError, JobError, LabqError, Problem, TestError
from labq.domain.plan import Queue, StepKind
from labq.domain.verdicts import Level, Verdict
from labq.hw.expect import Alternative, Expect, Found, alternative
from labq.hw.session import Session

ACTION = "lava-test-interactive"
ERRORS: Mapping[str, type[LabqError]] = {
    "InfrastructureError": InfrastructureError,
    "JobError": JobError,
    "TestError": TestError,
}


def _command(value: object, info: ValidationInfo) -> object:
    return value if value is None else text(value, info)


def _delay(value: object, info: ValidationInfo) -> object:
    return value if is_run(info) else integer(value, info)


def _prompts(value: object, info: ValidationInfo) -> object:
    return [value] if isinstance(value, str) and is_run(info) else value


class Success(Parameters):
    """A regular expression to expect."""

    message: NonEmpty


class Failure(Success):
    """A regular expression that names the error it means."""

    exception: Maybe[Literal["InfrastructureError", "JobError", "TestError"]] = None
    error: Maybe[NonEmpty] = None


class ScriptItem(Parameters):
    """One command, or with `command: null` only a wait."""

    command: Annotated[str | None, BeforeValidator(_command)] = None
    name: Maybe[Name] = None
    successes: list[Success] = Field(default_factory=list)
    failures: list[Failure] = Field(default_factory=list)
    wait_for_prompt: Flag = True
    delay: Annotated[float, BeforeValidator(_delay)] = 0.0
    lava_send: Text = Field(default="", alias="lava-send")
    lava_sync: Text = Field(default="", alias="lava-sync")
    lava_wait: Text = Field(default="", alias="lava-wait")
    lava_wait_all: Text = Field(default="", alias="lava-wait-all")


class InteractiveItem(Parameters):
    """One named script."""

    name: Name
    prompts: Annotated[list[NonEmpty], BeforeValidator(_prompts)]
    echo: Maybe[Literal["discard"]] = None
    expected: Maybe[list[NonEmpty]] = None
    script: list[ScriptItem]


class InteractiveParameters(Parameters):
    """A test block with `interactive`."""

    interactive: list[InteractiveItem]


def check(parameters: InteractiveParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Refuse doubled names."""
    names = [item.name for item in parameters.interactive]
    return [
        Problem(path=f"interactive[{index}].name", message=f"the name {name!r} is used twice")
        for index, name in enumerate(names)
        if name in names[:index]
    ]


@dataclass(slots=True)
class _Talk:
    """One script on the console."""

    work: Work
    expect: Expect
    item: InteractiveItem
    deadline: Deadline
    suite: Suite
    values: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Send each command and judge its answer; raises what ends the test."""
        self.values |= {
            "SERVER_IP": str(self.work.session.plan.dictionary.get("host_address") or ""),
            "JOB_ID": str(self.work.session.plan.job),
            **extra_files(self.work.session),
        }
        for step in self.item.script:
            self._one(step)

    def _one(self, step: ScriptItem) -> None:
        began = self.expect.clock
        if (call := _group_call(step)) is not None:
            self._ask(call)
            return
        self._send(step)
        try:
            problem = self._judge(step, self._wait(self._alternatives(step)))
        except (TestError, JobError, InfrastructureError):
            self._report(step, Verdict.FAIL, began)
            raise
        self._report(step, Verdict.FAIL if problem else Verdict.PASS, began)
        if problem and step.name is None:
            raise TestError(f"command {step.command!r} failed: {problem}")

    def _ask(self, call: GroupCall) -> None:
        """Ask something of the group; what members tell can be used in later commands."""
        answer = perform(self.work, call, self.deadline)
        for told in (answer or {}).values():
            self.values |= told

    def _send(self, step: ScriptItem) -> None:
        if step.delay:
            self.expect.pause(step.delay)
        if step.command is None:
            return
        command = step.command
        for name, value in self.values.items():
            command = command.replace(f"{{{name}}}", value)
        self.work.debug(f"sending {command!r}")
        self.expect.forget()
        self.expect.send(command.encode() + b"\n", character_delay(self.work.session, "test"))
        if self.item.echo == "discard" and command:
            self._discard_echo(command)

    def _discard_echo(self, command: str) -> None:
        echo = re.compile(re.escape(command.encode()))
        self._wait([Alternative("echo", echo, command.encode()), *FATAL_PATTERNS])

    def _alternatives(self, step: ScriptItem) -> list[Alternative]:
        found = [alternative(f"failure{n}", one.message) for n, one in enumerate(step.failures)]
        found += [alternative(f"success{n}", one.message) for n, one in enumerate(step.successes)]
        return [*found, *self._prompts(), *FATAL_PATTERNS]

    def _prompts(self) -> list[Alternative]:
        return [alternative("prompt", prompt) for prompt in self.item.prompts]

    def _wait(self, alternatives: list[Alternative]) -> Found:
        timeouts = self.work.session.step.timeouts
        found = self.expect.wait(alternatives, self.deadline, timeouts.silence(ACTION))
        if found is None:
            wanted = ", ".join(
                repr(one.regex.pattern.decode())
                for one in alternatives
                if not one.name.startswith(FATAL)
            )
            facts = f"none of {wanted} came; last on the console: {self.expect.tail() or 'nothing'}"
            raise expired(ACTION, min(timeouts.of(ACTION), timeouts.silence(ACTION)), facts)
        if found.name.startswith(FATAL):
            raise self._panic(found)
        return found

    def _panic(self, found: Found) -> LabqError:
        messages = KernelMessages()
        error = messages.panic(self.expect, found, self.deadline)
        messages.report(self.work)
        return error

    def _judge(self, step: ScriptItem, found: Found) -> str:
        """Return what is wrong, empty when the command passed; raises what a failure names."""
        if found.name == "prompt":
            return "a prompt came before a success" if step.successes else ""
        problem = ""
        if found.name.startswith("failure"):
            problem = self._failure(step.failures[int(found.name.removeprefix("failure"))], found)
        else:
            self._learn(found)
        if step.wait_for_prompt:
            self._wait([*self._prompts(), *FATAL_PATTERNS])
        return problem

    def _failure(self, pattern: Failure, found: Found) -> str:
        message = pattern.error or f"matched a failure: {found.text!r}"
        if pattern.exception is not None:
            raise ERRORS[pattern.exception](message)
        self.work.session.log(Level.ERROR, message)
        return message

    def _learn(self, found: Found) -> None:
        groups = found.match.groupdict()
        self.values |= {
            name: value.decode(errors="replace") for name, value in groups.items() if value
        }

    def _report(self, step: ScriptItem, verdict: Verdict, began: float) -> None:
        if step.name is not None:
            took = Measured.duration(self.expect.clock - began)
            self.suite.report(step.name, verdict, took)


def _group_call(step: ScriptItem) -> GroupCall | None:
    """Return what an item asks of the group, None for a command."""
    asked = {
        "SEND": step.lava_send,
        "SYNC": step.lava_sync,
        "WAIT": step.lava_wait,
        "WAIT_ALL": step.lava_wait_all,
    }
    found = next(((request, text.split()) for request, text in asked.items() if text.split()), None)
    return GroupCall(found[0], tuple(found[1])) if found else None


def run(session: Session, parameters: InteractiveParameters) -> None:
    """Run the scripts one after the other; a TestError ends the step."""
    expect = Expect(session.console())
    work = Work(session, clock=lambda: expect.clock)
    with work.block("lava-test-interactive-retry"), work.action(ACTION) as deadline:
        for item in parameters.interactive:
            _run_item(work, expect, item, deadline)


def _run_item(work: Work, expect: Expect, item: InteractiveItem, deadline: Deadline) -> None:
    began = expect.clock
    name = f"{work.session.step.stage or 0}_{item.name}"
    suite = Suite(work.session, name, item.expected)
    verdict = Verdict.FAIL
    try:
        _Talk(work, expect, item, deadline, suite).run()
        verdict = Verdict.PASS
    finally:
        suite.close()
        work.report(name, verdict, expect.clock - began)


METHOD = Method(
    name="interactive",
    action="lava-test-interactive-retry",
    parameters=InteractiveParameters,
    kind=StepKind.TEST,
    queue=Queue.TEST,
    run=run,
    check=check,
    replays=True,
)
