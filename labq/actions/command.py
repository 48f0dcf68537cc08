"""Action `command`: run a command of the device dictionary on the host."""

from __future__ import annotations

from collections.abc import Sequence

from labq.actions.method import Method
from labq.actions.parameters import Parameters
from labq.actions.steps import compose
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.work import Work
from labq.actions.values import Text
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError, JobError
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

ARTIFACTS = "LABQ_ARTIFACTS"
"""The variable that names the folder in which user commands may leave files for the job."""
UNDO = "undo"
"""Under this key the names of user commands that collect has to undo are remembered."""


class CommandParameters(Parameters):
    """The block of `command`."""

    name: Text


def run(session: Session, parameters: CommandParameters) -> None:
    """Run the named command: power by the device's power, user commands as programs."""
    work = Work(session)
    with work.block("user-command"), work.action("user-command", case=True) as deadline:
        _run_named(session, parameters.name, deadline)


def undo(session: Session, deadline: Deadline) -> None:
    """Run `undo` of each user command that was done, the last one first."""
    for name in reversed(_done(session)):
        _run_all(session, _user_commands(session, name, "undo"), deadline)


def _run_named(session: Session, name: str, deadline: Deadline) -> None:
    match name:
        case "hard_reset":
            session.power.reset()
        case "power_on":
            session.power.on()
        case "power_off":
            session.power.off()
        case "pre_power_command" | "pre_os_command" | "recovery_mode" | "recovery_exit":
            session.power.run(name)
        case "stop_test_services":
            compose.stop_all(session, deadline)
        case _:
            _do(session, name, deadline)


def _do(session: Session, name: str, deadline: Deadline) -> None:
    if lookup(session.plan.dictionary, "commands", "users", name) is None:
        raise JobError(f"the device has no user command {name!r}")
    session.remember(UNDO, [*_done(session), name])
    _run_all(session, _user_commands(session, name, "do"), deadline)


def _done(session: Session) -> list[str]:
    return texts(session.recall(UNDO))


def _user_commands(session: Session, name: str, key: str) -> Sequence[str]:
    return texts(lookup(session.plan.dictionary, "commands", "users", name, key))


def _run_all(session: Session, commands: Sequence[str], deadline: Deadline) -> None:
    session.artifacts.mkdir(exist_ok=True)
    environment = ("env", f"{ARTIFACTS}={session.artifacts}")
    for command in commands:
        finished = session.run([*environment, "sh", "-c", command], deadline)
        if finished.returncode != 0:
            raise InfrastructureError(
                f"{command!r} failed with exit code {finished.returncode}: {finished.output}"
            )


METHOD = Method(
    name="command",
    action="user-command",
    parameters=CommandParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=run,
)
METHODS = (METHOD,)
