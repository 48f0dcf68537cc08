"""Runs command-line tools on the host, with the log lines that readers of LAVA's logs look for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from labq.actions.steps.work import Work, expired
from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError, InfrastructureError, JobError, LabqError
from labq.hw.session import Finished


def call(work: Work, argv: Sequence[str], deadline: Deadline, cwd: Path | None = None) -> Finished:
    """Run a tool to its end and log what it says: `Calling: [...]`, `>> ...`, `Returned ...`.

    Raises InfrastructureError when it cannot be run or `deadline` passes.
    """
    work.debug(f"Calling: {list(argv)!r}")
    began = work.clock()
    finished = work.session.run(argv, deadline, cwd)
    for line in finished.output.splitlines():
        work.debug(f">> {line}")
    work.debug(f"Returned {finished.returncode} in {int(work.clock() - began)} seconds")
    return finished


def must(
    work: Work,
    argv: Sequence[str],
    deadline: Deadline,
    *,
    cwd: Path | None = None,
    error: type[LabqError] = JobError,
) -> str:
    """Run a tool that has to end with 0; returns what it said, raises `error` otherwise."""
    finished = call(work, argv, deadline, cwd)
    if finished.returncode != 0:
        raise error(failure(argv, finished))
    return finished.output


def failure(argv: Sequence[str], finished: Finished) -> str:
    """Say how a tool failed, with the last of what it said."""
    said = " | ".join(finished.output.strip().splitlines()[-3:]) or "nothing"
    return f"{shlex.join(argv)} ended with {finished.returncode}; it said: {said}"


def flash(
    work: Work,
    action: str,
    commands: Sequence[Sequence[str]],
    *,
    cwd: Path | None = None,
    error: type[LabqError] = JobError,
) -> list[str]:
    """Run tools one after the other as the inner action and case `action`; returns what they said.

    The time of the action is for all of them; its end is the job's fault, as it gave the time.
    """
    seconds = work.seconds(action)
    with work.action(action, case=True) as deadline:
        try:
            return [must(work, argv, deadline, cwd=cwd, error=error) for argv in commands]
        except InfrastructureError as failed:
            if error is InfrastructureError or not deadline.is_over():
                raise
            raise expired(action, seconds, str(failed)) from failed


def words_of(command: str) -> list[str]:
    """Split a command of the dictionary as a shell does; ConfigurationError when it cannot be."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise ConfigurationError(f"command {command!r} is not quoted well: {error}") from error


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return the text with `{name}` replaced by its value; other braces stay."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
