"""Test `definitions`: run Lava-Test definitions in the shell of the booted device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field

from labq.actions.method import Method
from labq.actions.parameters import Parameters
from labq.actions.steps.bring import test_facts
from labq.actions.steps.dictionary import texts
from labq.actions.steps.shell import Shell
from labq.actions.steps.work import Work, namespaced
from labq.domain.errors import JobError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.expect import Expect
from labq.hw.session import Session

NAME = r"^[-_a-zA-Z0-9.]+$"


def _as_text(value: object) -> object:
    if isinstance(value, bool | int | float):
        return str(value)
    return "" if value is None else value


def _as_parameter(value: object) -> object:
    """Return a scalar as LAVA writes it into run.sh: a null is `None` there."""
    return "None" if value is None else _as_text(value)


Text = Annotated[str, BeforeValidator(_as_text)]
Parameter = Annotated[str, BeforeValidator(_as_parameter)]


class Definition(Parameters):
    """One item of `definitions`."""

    repository: str | dict[str, object]
    source: Literal["git", "inline", "url"] = Field(alias="from")
    path: str = ""
    name: str = Field(pattern=NAME)
    parameters: dict[str, Parameter] = Field(
        default_factory=dict, validation_alias=AliasChoices("parameters", "params")
    )
    branch: Text = ""
    revision: Text = ""
    shallow: bool | None = None
    history: bool = True
    recursive: bool = False
    strip_components: int = Field(default=0, ge=0, alias="strip-components")
    headers: dict[str, str] = Field(default_factory=dict)
    skip_install: list[str] = Field(default_factory=list)
    lava_signal: Literal["stdout", "kmsg"] = Field(default="stdout", alias="lava-signal")
    expected: list[str] | None = None


class DefinitionsParameters(Parameters):
    """A test block with `definitions`."""

    definitions: list[Definition] = Field(min_length=1)
    docker: dict[str, object] | None = None


def check(parameters: DefinitionsParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Refuse reserved and doubled names, and the container shell that labq does not drive."""
    problems = []
    if parameters.docker is not None:
        problems.append(Problem(path="docker", message="not supported by this labq"))
    names = [definition.name for definition in parameters.definitions]
    for index, name in enumerate(names):
        path = f"definitions[{index}].name"
        if name == "lava":
            problems.append(Problem(path=path, message="the name 'lava' is reserved"))
        if name in names[:index]:
            problems.append(Problem(path=path, message=f"the name {name!r} is used twice"))
    return problems


def run(session: Session, _parameters: DefinitionsParameters) -> None:
    """Run the definitions of this stage on the primary console."""
    expect = Expect(session.console())
    work = Work(session, clock=lambda: expect.clock)
    with work.block("lava-test-retry"):
        stage = session.step.stage or 0
        definitions = test_facts(session, stage)
        root = session.recall(namespaced(session, "overlay_root"))
        if not definitions or not isinstance(root, str):
            raise JobError("no overlay was made for this test: its namespace has no deploy or boot")
        Shell(
            work,
            expect,
            prompts=texts(session.recall(namespaced(session, "prompts"))),
            root=root,
            shell=str(session.recall(namespaced(session, "overlay_shell")) or "/bin/sh"),
            stage=stage,
            definitions=definitions,
        ).run()


METHOD = Method(
    name="definitions",
    parameters=DefinitionsParameters,
    kind=StepKind.TEST,
    queue=Queue.TEST,
    run=run,
    check=check,
    replays=True,
)
