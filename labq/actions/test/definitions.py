"""Test `definitions`: run Lava-Test definitions in the shell of the booted device."""

from __future__ import annotations

from labq.actions.definitions_parameters import DefinitionsParameters, check
from labq.actions.method import Method
from labq.actions.steps.bring import test_facts
from labq.actions.steps.dictionary import texts
from labq.actions.steps.shell import Shell
from labq.actions.steps.work import Work, namespaced
from labq.domain.errors import JobError
from labq.domain.plan import Queue, StepKind
from labq.hw.expect import Expect
from labq.hw.session import Session


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
            prompts=_prompts(session),
            root=root,
            shell=str(session.recall(namespaced(session, "overlay_shell")) or "/bin/sh"),
            stage=stage,
            definitions=definitions,
        ).run()


def _prompts(session: Session) -> list[str]:
    """Return the prompts of the connection: another namespace may have opened it."""
    known = session.recall(namespaced(session, "prompts", session.step.connection_namespace))
    return texts(known or session.recall(namespaced(session, "prompts")))


METHOD = Method(
    name="definitions",
    action="lava-test-retry",
    parameters=DefinitionsParameters,
    kind=StepKind.TEST,
    queue=Queue.TEST,
    run=run,
    check=check,
    replays=True,
)
