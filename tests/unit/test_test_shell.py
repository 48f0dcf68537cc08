"""The test shell on a scripted console: signals to results."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.actions.steps.expiry import TestTimeoutError
from labq.actions.steps.shell import Shell
from labq.actions.steps.shell_run import RunFacts
from labq.actions.steps.signals import (
    LONGEST,
    RunnerSays,
    Signal,
    SignalScanner,
    Torn,
    measurement,
    parse,
)
from labq.actions.steps.work import Work
from labq.domain.errors import JobError, TestError
from labq.domain.plan import Timeouts
from labq.domain.verdicts import CaseResult, Level, Verdict
from labq.hw.expect import Expect
from labq.hw.fake import FakeConsole, FakeSession, Say
from tests.unit.plans import plan, step

START = b"<LAVA_SIGNAL_STARTRUN 0_smoke 7_3.0.0>\r\n"
END = b"<LAVA_SIGNAL_ENDRUN 0_smoke 7_3.0.0>\r\n"
EXIT = b"<LAVA_TEST_RUNNER EXIT>\r\n"
PROMPT = b"root@board:~# "


def shell_session(
    output: Sequence[bytes | Say], *definitions: RunFacts, closes: bool = False
) -> FakeSession:
    """Return a session whose device runs the runner and says `output`."""

    def answer(sent: bytes) -> Sequence[Say]:
        if b"labq-exit=$?" in sent:
            return [Say(sent + b"labq-exit=0\r\n" + PROMPT)]
        if b"lava-test-runner" in sent:
            return [item if isinstance(item, Say) else Say(item) for item in (sent, *output)]
        return [Say(sent + PROMPT)]

    made = step("definitions", {}, stage=0, timeouts=Timeouts(block=300.0, action=300.0))
    console = FakeConsole(answer=answer, closes=closes)
    return FakeSession(plan([made]), made, consoles={"serial": console})


def run(session: FakeSession, *definitions: RunFacts) -> None:
    """Run the shell's stage."""
    expect = Expect(session.console())
    work = Work(session, clock=lambda: expect.clock)
    with work.block("lava-test-retry"):
        Shell(
            work,
            expect,
            prompts=["root@board"],
            root="/lava-7",
            shell="/bin/sh",
            stage=0,
            definitions=definitions or (RunFacts(name="0_smoke", uuid="7_3.0.0"),),
        ).run()


def results(session: FakeSession) -> dict[str, CaseResult]:
    """Return results by `suite/case`."""
    return {f"{one.suite}/{one.case}": one for one in session.results}


def verdict(session: FakeSession, name: str) -> Verdict:
    """Return one verdict."""
    return results(session)[name].verdict


def test_a_case_carries_measurement_units_set_and_lines() -> None:
    session = shell_session(
        [
            START,
            b"<LAVA_SIGNAL_TESTSET START speed>\r\n",
            b"<LAVA_SIGNAL_STARTTC disk>\r\nwriting\r\n<LAVA_SIGNAL_ENDTC disk>\r\n",
            b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=disk RESULT=pass UNITS=MB/s MEASUREMENT=12.5>\r\n",
            b"<LAVA_SIGNAL_TESTSET STOP>\r\n",
            b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=after RESULT=skip>\r\n",
            END,
            EXIT,
        ]
    )
    run(session)
    disk = results(session)["0_smoke/disk"]
    assert (disk.verdict, disk.measurement, disk.units) == (Verdict.PASS, Decimal("12.5"), "MB/s")
    assert disk.test_set == "speed"
    assert disk.start_line is not None
    assert session.lines[disk.start_line][1] == "Received signal: <STARTTC> disk"
    assert session.lines[disk.end_line or 0][1] == "Received signal: <ENDTC> disk"
    after = results(session)["0_smoke/after"]
    assert (after.verdict, after.test_set, after.start_line) == (Verdict.SKIP, None, None)
    assert verdict(session, "lava/0_smoke") is Verdict.PASS
    assert results(session)["lava/0_smoke"].details["uuid"] == "7_3.0.0"


def test_a_definition_without_its_end_fails_and_the_next_goes_on() -> None:
    session = shell_session(
        [
            START,
            b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=seen RESULT=pass>",
            b"<LAVA_SIGNAL_STARTRUN 1_more 7_3.0.1>\n<LAVA_SIGNAL_ENDRUN 1_more 7_3.0.1>",
            EXIT,
        ]
    )
    first = RunFacts(name="0_smoke", uuid="7_3.0.0", expected=("seen", "missing"))
    run(session, first, RunFacts(name="1_more", uuid="7_3.0.1"))
    assert [(one.suite, one.case, one.verdict) for one in session.results[:4]] == [
        ("0_smoke", "seen", Verdict.PASS),
        ("0_smoke", "missing", Verdict.FAIL),
        ("lava", "0_smoke", Verdict.FAIL),
        ("lava", "1_more", Verdict.PASS),
    ]


def test_a_definition_that_never_started_fails_with_its_expected_cases() -> None:
    session = shell_session([EXIT])
    run(session, RunFacts(name="0_smoke", uuid="7_3.0.0", expected=("boot", "net")))
    assert verdict(session, "lava/0_smoke") is Verdict.FAIL
    assert verdict(session, "0_smoke/boot") is Verdict.FAIL
    assert verdict(session, "0_smoke/net") is Verdict.FAIL


def test_an_unexpected_case_fails_and_a_missing_one_is_added() -> None:
    case = b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=extra RESULT=pass>"
    session = shell_session([START, case, END, EXIT])
    run(session, RunFacts(name="0_smoke", uuid="7_3.0.0", expected=("wanted",)))
    assert verdict(session, "0_smoke/extra") is Verdict.FAIL
    assert verdict(session, "0_smoke/wanted") is Verdict.FAIL


def test_a_case_before_any_run_is_a_test_error() -> None:
    session = shell_session([b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=early RESULT=pass>"])
    with pytest.raises(TestError, match="Invalid TESTCASE signal"):
        run(session)


def test_a_measurement_that_is_no_number_is_a_test_error() -> None:
    bad = b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass MEASUREMENT=fast>"
    session = shell_session([START, bad])
    with pytest.raises(TestError, match="Invalid measurement 'fast'"):
        run(session)
    assert verdict(session, "lava/0_smoke") is Verdict.FAIL


@pytest.mark.parametrize(
    ("signal", "message"),
    [
        (b"TESTCASE TEST_CASE_ID=a RESULT=great", "result 'great' is none of"),
        (b"TESTCASE RESULT=pass", "it has no name"),
        (b"TESTCASE TEST_CASE_ID=" + b"n" * 1500 + b" RESULT=pass", "longer than 1000"),
        (b"TESTCASE TEST_CASE_ID=" + b"n" * 100_000 + b" RESULT=pass", "torn signal"),
        (b"TESTSET START a/b", "cannot be named"),
        (b"TESTREFERENCE a pass", "a reference needs"),
        (b"NONSENSE a", "unknown"),
        (b"ENDRUN 5_other x", "does not run"),
    ],
)
def test_nonsense_is_logged_and_the_test_goes_on(signal: bytes, message: str) -> None:
    session = shell_session([START, b"<LAVA_SIGNAL_" + signal + b">\r\n", END, EXIT])
    run(session)
    errors = [text for level, text in session.lines if level is Level.ERROR]
    assert any(message in text for text in errors), errors
    assert verdict(session, "lava/0_smoke") is Verdict.PASS


def test_garbage_between_signals_disturbs_nothing() -> None:
    noise = bytes(range(256)) * 300
    session = shell_session([noise, START, noise.replace(b">", b""), END, noise, EXIT])
    run(session)
    assert verdict(session, "lava/0_smoke") is Verdict.PASS


def test_a_raise_ends_the_job_with_its_text() -> None:
    session = shell_session([START, b"<LAVA_SIGNAL_TESTRAISE no network here>"])
    with pytest.raises(TestError, match=r"^no network here$"):
        run(session)


def test_a_reference_and_an_event_are_told() -> None:
    session = shell_session(
        [
            START,
            b"<LAVA_SIGNAL_TESTREFERENCE log pass http://a.b/c>",
            b"<LAVA_SIGNAL_TESTEVENT half way>",
            END,
            EXIT,
        ]
    )
    run(session)
    assert results(session)["0_smoke/log"].details["reference"] == "http://a.b/c"
    assert (Level.EVENT, "half way") in session.lines


def test_a_result_that_comes_in_one_piece_with_a_panic_counts() -> None:
    case = b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=before RESULT=pass>\r\n"
    late = b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=late RESULT=pass>\r\n"
    panic = b"Kernel panic - not syncing: now\r\n---[ end Kernel panic\r\n"
    session = shell_session([START + case + panic + late])
    with pytest.raises(JobError, match="not syncing: now"):
        run(session)
    assert verdict(session, "0_smoke/before") is Verdict.PASS
    assert "0_smoke/late" not in results(session)


def test_a_panic_in_the_middle_is_a_job_error_with_a_failed_kernel_messages() -> None:
    panic = b"[ 9.1] Kernel panic - not syncing: sysrq\r\ntrace\r\n---[ end Kernel panic - not sync"
    session = shell_session([START, panic[:30], panic[30:]])
    with pytest.raises(JobError, match="Kernel panic - not syncing: sysrq"):
        run(session)
    assert verdict(session, "lava/kernel-messages") is Verdict.FAIL
    assert verdict(session, "lava/0_smoke") is Verdict.FAIL


@pytest.mark.parametrize("cut", [len(END), len(END + EXIT) - 5, len(END + EXIT + PROMPT)])
def test_a_prompt_that_comes_in_one_piece_with_the_runners_end_is_not_waited_for(cut: int) -> None:
    output = END + EXIT + PROMPT
    session = shell_session([START, output[:cut], output[cut:]])
    run(session)
    assert verdict(session, "lava/0_smoke") is Verdict.PASS
    assert session.console().now() == 0.0


def test_tests_may_be_silent_for_longer_than_the_dictionary_waits_for_prompts() -> None:
    session = shell_session([START, Say(END, 250.0), EXIT])
    run(session)
    assert verdict(session, "lava/0_smoke") is Verdict.PASS
    assert results(session)["lava/0_smoke"].measurement == Decimal("250.00")


def test_a_test_that_never_ends_times_out_with_the_last_lines() -> None:
    session = shell_session([START, b"stuck here\r\n"])
    with pytest.raises(TestTimeoutError, match=r"timed out after 300 seconds.*stuck here"):
        run(session)
    assert verdict(session, "lava/0_smoke") is Verdict.FAIL


def test_an_overlay_that_is_not_there_is_named() -> None:
    made = step("definitions", {}, stage=0)
    console = FakeConsole(answer=lambda sent: [Say(sent + b"labq-exit=2\r\n" + PROMPT)])
    session = FakeSession(plan([made]), made, consoles={"serial": console})
    with pytest.raises(TestError, match=r"/lava-7/environment' failed .* exit code 2"):
        run(session)


def test_lines_that_match_the_old_parse_pattern_are_cases() -> None:
    pattern = (
        r"(?P<test_case_id>\w+): (?P<result>PASS|FAIL) (?P<measurement>[0-9.]+)?(?P<units>\w+)?"
    )
    facts = RunFacts(name="0_smoke", uuid="7_3.0.0", pattern=pattern)
    session = shell_session([START, b"disk: PA", b"SS 1.5ms\r\nnet: FAIL \r\n", END, EXIT])
    run(session, facts)
    assert results(session)["0_smoke/disk"].measurement == Decimal("1.5")
    assert verdict(session, "0_smoke/net") is Verdict.FAIL


def test_the_same_console_always_gives_the_same_log_and_results() -> None:
    script = [START, b"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=a RESULT=pass>", Say(END, 3.0), EXIT]
    first, second = shell_session(script), shell_session(script)
    run(first)
    run(second)
    assert first.lines == second.lines
    assert first.results == second.results


def test_a_signal_is_found_wherever_chunks_end() -> None:
    stream = b"x<LAVA_<LAVA_SIGNAL_ENDTC a b>y< LAVA_<LAVA_TEST_RUNNER EXIT>"
    whole = SignalScanner().feed(stream)
    assert whole == [Torn("<LAVA_"), Signal("ENDTC", ("a", "b")), RunnerSays("EXIT")]
    scanner = SignalScanner()
    assert [token for byte in stream for token in scanner.feed(bytes([byte]))] == whole


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_scanning_any_bytes_never_fails(chunks: list[bytes]) -> None:
    scanner = SignalScanner()
    for chunk in chunks:
        scanner.feed(b"<LAVA_" + chunk)


def test_a_signal_that_never_ends_is_given_up_and_the_next_is_found() -> None:
    scanner = SignalScanner()
    tokens = scanner.feed(b"<LAVA_SIGNAL_TESTCASE " + b"a" * (LONGEST + 10))
    tokens += scanner.feed(b"<LAVA_SIGNAL_ENDTC b>")
    assert tokens[-1] == Signal("ENDTC", ("b",))
    assert isinstance(tokens[0], Torn)


def test_control_characters_do_not_get_into_names() -> None:
    assert parse("LAVA_SIGNAL_STARTTC a\0b") == Signal("STARTTC", ("a\ufffdb",))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.5", Decimal("1.5")),
        ("-3e2", Decimal(-300)),
        ("0.12345678901234", Decimal("0.1234567890")),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("12 MB", None),
        ("", None),
    ],
)
def test_measurements_are_finite_numbers_of_bounded_size(text: str, number: Decimal | None) -> None:
    assert measurement(text) == number
