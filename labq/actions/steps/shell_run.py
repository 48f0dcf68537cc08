"""What the signals of a test shell mean: suites, cases, sets, and how definitions end.

A pure function of the tokens and the console's clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from labq.actions.steps.signals import RunnerSays, Signal, Torn, measurement, pairs
from labq.actions.steps.suite import Measured, Suite
from labq.actions.steps.work import Work
from labq.domain.errors import TestError
from labq.domain.verdicts import Level, Verdict

LONGEST_NAME = 1000
_SET_NAME = re.compile(r"^[-_a-zA-Z0-9.]+$")
_VERDICTS = {verdict.value: verdict for verdict in Verdict}


class RunFacts(BaseModel):
    """A definition of this stage, as the deploy remembered it."""

    model_config = ConfigDict(frozen=True)

    name: str
    uuid: str
    repository: str = ""
    path: str = ""
    revision: str = ""
    commit: str = ""
    expected: tuple[str, ...] | None = None
    is_expected_by_job: bool = True
    """The list is the job's own: its cases fail also when the definition never runs."""
    pattern: str = ""
    fixups: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Open:
    """The definition that runs now."""

    facts: RunFacts
    suite: Suite
    began: float
    lines: dict[str, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class ShellRun:
    """The results of one stage."""

    work: Work
    definitions: Sequence[RunFacts]
    ended: set[str] = field(default_factory=set)
    is_over: bool = False
    _open: _Open | None = None

    @property
    def running(self) -> RunFacts | None:
        """Return the definition that runs now."""
        return self._open.facts if self._open else None

    def take(self, token: Signal | RunnerSays | Torn) -> None:
        """Apply one token; raises TestError for what ends the job."""
        match token:
            case Signal():
                self._signal(token)
            case RunnerSays("EXIT"):
                self.close()
            case RunnerSays("INSTALL_FAIL"):
                self._error("the install steps failed")
            case RunnerSays():
                pass
            case Torn():
                self._error(f"a torn signal is ignored: {token.text!r}")

    def close(self) -> None:
        """End the stage: what runs still, or never ran, has failed."""
        self._abandon()
        for facts in self.definitions:
            if facts.name not in self.ended:
                self._finish(facts, Verdict.FAIL, 0.0)
                if facts.is_expected_by_job:
                    Suite(self.work.session, facts.name, facts.expected).close()
        self.is_over = True

    def _signal(self, signal: Signal) -> None:
        line = self._received(signal)
        handler = _HANDLERS.get(signal.name)
        if handler is None:
            self._error(f"signal {signal.name!r} is unknown")
            return
        handler(self, signal.words, line)

    def _received(self, signal: Signal) -> int:
        text = f"Received signal: <{signal.name}> {' '.join(signal.words)}"
        return self.work.session.log(Level.DEBUG, text)

    def _start_run(self, words: tuple[str, ...], _line: int) -> None:
        self._abandon()
        facts = next((one for one in self.definitions if one.name == words[0]), None)
        if facts is None or (len(words) > 1 and words[1] != facts.uuid):
            raise TestError(f"a test run started that is not part of this job: {' '.join(words)}")
        self.work.info(f"Starting test lava.{facts.name} ({facts.uuid})")
        suite = Suite(self.work.session, facts.name, facts.expected)
        self._open = _Open(facts, suite, self.work.clock())

    def _end_run(self, words: tuple[str, ...], _line: int) -> None:
        if self._open is None or self._open.facts.name != words[0]:
            self._error(f"the end of {words[0]!r} came, which does not run")
            return
        opened, self._open = self._open, None
        opened.suite.close()
        self.work.info(f"Ending test lava.{opened.facts.name} ({opened.facts.uuid})")
        self._finish(opened.facts, Verdict.PASS, self.work.clock() - opened.began)

    def _abandon(self) -> None:
        """Fail the definition that runs: its end never came."""
        if self._open is None:
            return
        opened, self._open = self._open, None
        self._error(f"{opened.facts.name} did not come to its end: a step failed")
        opened.suite.close()
        self._finish(opened.facts, Verdict.FAIL, self.work.clock() - opened.began)

    def _finish(self, facts: RunFacts, verdict: Verdict, duration: float) -> None:
        self.ended.add(facts.name)
        details = {
            "uuid": facts.uuid,
            "repository": facts.repository,
            "path": facts.path,
            "revision": facts.revision or "unspecified",
            "commit_id": facts.commit,
        }
        self.work.report(facts.name, verdict, duration, details)

    def _test_case(self, words: tuple[str, ...], _line: int) -> None:
        values = pairs(words)
        number = None
        if "MEASUREMENT" in values:
            number = measurement(values["MEASUREMENT"])
            if number is None:
                raise TestError(f"Invalid measurement {values['MEASUREMENT'][:80]!r}")
        measured = Measured(number, values.get("UNITS", ""))
        self.report(values.get("TEST_CASE_ID", ""), values.get("RESULT", ""), measured)

    def report(
        self,
        case: str,
        result: str,
        measured: Measured,
        *,
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Report a case of the definition that runs; a case that makes no sense is logged only."""
        if self._open is None:
            raise TestError("Invalid TESTCASE signal: no test run has started")
        verdict = _VERDICTS.get(result)
        problem = _case_problem(case, measured)
        if verdict is None or problem:
            problem = problem or f"result {result[:80]!r} is none of pass, fail, skip, unknown"
            self._error(f"case {case[:80]!r} is dropped: {problem}")
            return
        first, last = (*self._open.lines.pop(case, []), None, None)[:2]
        self._open.suite.report(case, verdict, measured, (first, last), details=details)

    def _case_line(self, words: tuple[str, ...], line: int) -> None:
        """Keep the log line of STARTTC or ENDTC for the case that follows."""
        if self._open is not None:
            self._open.lines.setdefault(words[0], []).append(line)

    def _test_set(self, words: tuple[str, ...], _line: int) -> None:
        if self._open is None:
            self._error("a test set came outside of a test run")
        elif words[:1] == ("START",) and len(words) == 2 and _SET_NAME.match(words[1]):
            self._open.suite.test_set = words[1]
        elif words[:1] == ("STOP",):
            self._open.suite.test_set = None
        else:
            self._error(f"a test set cannot be named {' '.join(words)!r}")

    def _test_reference(self, words: tuple[str, ...], _line: int) -> None:
        if len(words) != 3:
            self._error(f"a reference needs case, result and URL: {' '.join(words)!r}")
            return
        self.report(words[0], words[1], Measured(), details={"reference": words[2]})

    def _test_raise(self, words: tuple[str, ...], _line: int) -> None:
        raise TestError(" ".join(words))

    def _test_event(self, words: tuple[str, ...], _line: int) -> None:
        self.work.session.log(Level.EVENT, " ".join(words))

    def _test_feedback(self, words: tuple[str, ...], _line: int) -> None:
        """Say where to look: what other consoles say is in the log from when it comes."""
        known = {spec.namespace for spec in self.work.session.plan.consoles}
        if words[0] not in known:
            self._error(f"there is no console of namespace {words[0]!r} to read")
            return
        self.work.session.log(Level.DEBUG, f"the console of {words[0]!r} is read all the time")

    def _error(self, message: str) -> None:
        self.work.session.log(Level.ERROR, message)


def _case_problem(case: str, measured: Measured) -> str:
    if not case:
        return "it has no name"
    if max(len(case), len(measured.units)) > LONGEST_NAME:
        return f"its name or unit is longer than {LONGEST_NAME} characters"
    return ""


_HANDLERS = {
    "STARTRUN": ShellRun._start_run,  # noqa: SLF001  (a table of the class's own methods)
    "ENDRUN": ShellRun._end_run,  # noqa: SLF001
    "TESTCASE": ShellRun._test_case,  # noqa: SLF001
    "STARTTC": ShellRun._case_line,  # noqa: SLF001
    "ENDTC": ShellRun._case_line,  # noqa: SLF001
    "TESTSET": ShellRun._test_set,  # noqa: SLF001
    "TESTREFERENCE": ShellRun._test_reference,  # noqa: SLF001
    "TESTRAISE": ShellRun._test_raise,  # noqa: SLF001
    "TESTEVENT": ShellRun._test_event,  # noqa: SLF001
    "TESTFEEDBACK": ShellRun._test_feedback,  # noqa: SLF001
}
