"""Interactive tests on a scripted console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from labq.actions.steps.expiry import TestTimeoutError
from labq.actions.test import interactive
from labq.domain.errors import InfrastructureError, JobError, TestError
from labq.domain.verdicts import Verdict
from labq.hw.fake import FakeConsole, FakeSession, Say
from tests.unit.plans import plan, step

ANSWERS = {
    b"uname\n": b"uname\r\nLinux\r\n/ # ",
    b"ip\n": b"ip\r\naddress 10.0.0.15 up\r\n/ # ",
    b"ping 10.0.0.15\n": b"ping 10.0.0.15\r\nalive\r\n/ # ",
    b"false\n": b"false\r\nerror 7\r\n/ # ",
    b"crash\n": b"crash\r\nKernel panic - not syncing: sysrq\r\n---[ end Kernel panic - not syncing",
}


def _talk(
    script: Sequence[Mapping[str, object]], **item: object
) -> tuple[FakeSession, FakeConsole]:
    block = {"interactive": [{"name": "talk", "prompts": ["/ # "], "script": script, **item}]}
    made = step("interactive", block, stage=2)
    console = FakeConsole(answer=lambda sent: [Say(ANSWERS.get(sent, b""), 0.5)])
    session = FakeSession(plan([made]), made, consoles={"serial": console})
    return session, console


def _run(session: FakeSession) -> None:
    parameters = interactive.InteractiveParameters.model_validate(session.step.parameters)
    interactive.run(session, parameters)


def _verdicts(session: FakeSession) -> dict[tuple[str, str], Verdict]:
    return {(one.suite, one.case): one.verdict for one in session.results}


def test_a_success_passes_and_its_groups_serve_later_commands() -> None:
    session, console = _talk(
        [
            {
                "command": "ip",
                "name": "ip",
                "successes": [{"message": r"address (?P<ip>[0-9.]+) "}],
            },
            {"command": "ping {ip}", "name": "ping", "successes": [{"message": "alive"}]},
        ]
    )
    _run(session)
    assert console.sent == [b"ip\n", b"ping 10.0.0.15\n"]
    assert _verdicts(session) == {
        ("2_talk", "ip"): Verdict.PASS,
        ("2_talk", "ping"): Verdict.PASS,
        ("lava", "2_talk"): Verdict.PASS,
    }


def test_a_prompt_before_a_success_fails_the_case_and_the_script_goes_on() -> None:
    session, _ = _talk(
        [
            {"command": "uname", "name": "bsd", "successes": [{"message": "BSD"}]},
            {"command": "uname", "name": "linux", "successes": [{"message": "Linux"}]},
        ]
    )
    _run(session)
    assert _verdicts(session)["2_talk", "bsd"] is Verdict.FAIL
    assert _verdicts(session)["2_talk", "linux"] is Verdict.PASS


def test_an_unnamed_failing_command_is_a_test_error() -> None:
    session, _ = _talk([{"command": "false", "failures": [{"message": "error [0-9]"}]}])
    with pytest.raises(TestError, match="command 'false' failed: matched a failure: 'error 7'"):
        _run(session)
    assert _verdicts(session)["lava", "2_talk"] is Verdict.FAIL


def test_a_failure_raises_the_error_that_it_names() -> None:
    failure = {"message": "error 7", "exception": "InfrastructureError", "error": "no network"}
    session, _ = _talk([{"command": "false", "name": "net", "failures": [failure]}])
    with pytest.raises(InfrastructureError, match="no network"):
        _run(session)
    assert _verdicts(session)["2_talk", "net"] is Verdict.FAIL


def test_silence_fails_the_case_and_ends_the_test_with_the_facts() -> None:
    session, _ = _talk([{"command": "sleep", "name": "sleep"}])
    with pytest.raises(TestTimeoutError, match="timed out after 30 seconds: none of '/ # ' came"):
        _run(session)
    assert _verdicts(session)["2_talk", "sleep"] is Verdict.FAIL


def test_a_panic_in_the_middle_is_a_job_error_with_the_kernels_words() -> None:
    session, _ = _talk([{"command": "crash", "name": "crash"}])
    with pytest.raises(JobError, match="Kernel panic - not syncing: sysrq"):
        _run(session)
    (messages,) = [one for one in session.results if one.case == "kernel-messages"]
    assert messages.verdict is Verdict.FAIL
    assert messages.details["extra"][0]["kind"] == "panic"  # type: ignore[index]  # JSON values


def test_an_expected_case_that_never_ran_fails_and_an_unexpected_one_too() -> None:
    session, _ = _talk([{"command": "uname", "name": "extra"}], expected=["wanted"])
    _run(session)
    assert _verdicts(session)["2_talk", "extra"] is Verdict.FAIL
    assert _verdicts(session)["2_talk", "wanted"] is Verdict.FAIL


def test_a_null_command_only_waits_and_an_empty_one_is_sent() -> None:
    session, console = _talk([{"command": None}, {"command": ""}])
    console.say(Say(b"\r\n/ # ", 3.0), Say(b"\r\n/ # ", 3.0))
    _run(session)
    assert console.sent == [b"\n"]


def test_an_echo_is_not_taken_for_the_answer() -> None:
    session, _ = _talk(
        [{"command": "uname", "name": "echo", "successes": [{"message": "uname"}]}], echo="discard"
    )
    _run(session)
    assert _verdicts(session)["2_talk", "echo"] is Verdict.FAIL


def test_durations_are_measured_on_the_consoles_clock() -> None:
    session, _ = _talk([{"command": "uname", "name": "uname", "delay": 2}])
    _run(session)
    assert [str(one.measurement) for one in session.results] == ["2.50", "2.50"]


def test_log_lines_name_start_and_end_of_the_block() -> None:
    session, _ = _talk([{"command": "uname"}])
    _run(session)
    texts = [text for _, text in session.lines]
    assert texts[0] == "start: 3 lava-test-interactive-retry (timeout 00:05:00) [common]"
    assert texts[1] == "start: 3.1 lava-test-interactive (timeout 00:05:00) [common]"
    assert texts[-1] == "end: 3 lava-test-interactive-retry (duration 00:00:00) [common]"
