"""The search language of job lists."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.domain.errors import ErrorType, InvalidInputError
from labq.domain.states import JobState, Outcome
from labq.domain.verdicts import Verdict
from labq.services.job_list import JobFilter
from labq.services.job_search import FIELDS, JobSearch, parse, with_since, with_term

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "find-jobs.md"
NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def wanted(text: str) -> JobFilter:
    return parse(text, NOW).wanted


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        parse(text, NOW)
    return [problem.message for problem in caught.value.problems]


def test_all_terms_of_a_search_are_asked_for() -> None:
    text = "type:rk3399 verdict:fail infra:power since:14d tag:x tag:y meta.key:value submitter:me"
    assert wanted(text) == JobFilter(
        device_type="rk3399",
        verdict=Verdict.FAIL,
        error_types=(ErrorType.INFRASTRUCTURE,),
        error_text="power",
        since=NOW - 14 * DAY,
        tags=("x", "y"),
        metadata=(("key", "value"),),
        submitter="me",
    )


def test_nothing_asks_for_nothing() -> None:
    assert parse("  ", NOW) == JobSearch()


def test_several_values_of_a_field_are_written_with_commas() -> None:
    assert wanted("STATE:running,Scheduled").states == (JobState.RUNNING, JobState.SCHEDULED)
    assert wanted("outcome:incomplete,canceled").outcomes == (Outcome.INCOMPLETE, Outcome.CANCELED)
    assert wanted("error:bug").error_types == (ErrorType.BUG,)


def test_words_are_looked_for_in_names_and_one_number_is_a_job() -> None:
    assert wanted("boot test").name == "boot test"
    assert wanted('"boot  test"').name == "boot  test"
    assert wanted('name:"a ""b"" c"').name == 'a "b" c'
    assert wanted("1234").id == wanted("id:1234").id == 1234
    assert wanted('"1234"').name == "1234"
    assert wanted("linux 6").name == "linux 6"


@pytest.mark.parametrize(
    "text", ["(a+)+$", "/^.*$/", "100%", "a*b", "🤖", "\\", "'; DROP TABLE job"]
)
def test_patterns_and_odd_characters_are_taken_as_they_are(text: str) -> None:
    assert wanted(with_term("", "name", text)).name == text
    assert wanted(with_term("", "tag", text)).tags == (text,)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("90min", NOW - timedelta(minutes=90)),
        ("2w", NOW - 14 * DAY),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:30", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01T08:30+02:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_times_are_ages_days_or_moments(value: str, moment: datetime) -> None:
    assert wanted(f"since:{value}").since == moment


def test_a_list_goes_back_for_two_weeks_unless_it_is_asked_for_all() -> None:
    assert parse("type:a", NOW).window == 14 * DAY
    assert parse("type:a since:all", NOW).window is None


def test_everything_wrong_is_told_at_once_with_its_place() -> None:
    told = problems("colour:red typ:x state:asleep since:soon tag: priority:101 device:a device:b")
    assert len(told) == 7
    assert told[0].startswith("'colour:red' at character 1: there is no field 'colour'")
    assert "type:, device:, host:" in told[0]
    assert "Did you mean type:?" in told[1]
    assert "'state:asleep' at character 18: 'asleep' is none of submitted" in told[2]
    assert "14d" in told[3]
    assert "tag:usb" in told[4]
    assert "0 to 100" in told[5]
    assert "given twice" in told[6]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\0b", "NUL"),
        ("x" * 501, "500 at most"),
        ("tag:x " * 21, "20 at most"),
        ('name:"open', "is no term"),
        ('a"b"', "is no term"),
        (":x", "is no term"),
        ("http://x", "goes in quotes"),
        ("meta.:x", "no field"),
        ("meta.KEY2", None),
        ("verdict:pass,fail", "one value"),
        ("id:99999999999999999999", "is no number"),
        ("id:²", "is no number"),
        ("since:99999999d", "is no time"),
        ("since:0001-01-01", "is no time"),
        ("since:1d until:2d", "ends before"),
        ("name:a b", "as name: is"),
        ("error:bug infra:power", "leave error: out"),
        ("state:running outcome:complete", "state:finished"),
        ("state:running,finished", "either"),
    ],
)
def test_bad_searches_are_refused_with_the_reason(text: str, message: str | None) -> None:
    if message is None:
        assert wanted(text).name == text
    else:
        assert message in problems(text)[0]


def test_what_no_index_finds_needs_a_short_time_or_another_term() -> None:
    for text in ("name:boot", "verdict:fail", "priority:50", "boot"):
        parse(text, NOW)
        parse(f"{text} since:31d", NOW)
        parse(f"{text} since:all type:rk3399", NOW)
        parse(f"{text} since:all state:running", NOW)
        for far in ("since:all", "since:32d", "since:2020-01-01"):
            (told,) = problems(f"{text} {far}")
            assert "add since:31d or less, or one of type:, device:" in told
    parse("boot since:2020-01-01 until:2020-01-20", NOW)


def test_the_time_of_a_search_is_changed_in_place_of_the_one_before() -> None:
    assert with_since("since:3d type:a", "31d") == "type:a since:31d"
    assert with_since('name:"a since:3d b"', "all") == 'name:"a since:3d b" since:all'
    assert with_since("", "7d") == "since:7d"


def test_the_docs_show_each_field_in_the_order_of_the_help() -> None:
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    assert len(rows) == len(FIELDS)
    for row, one in zip(rows, FIELDS, strict=True):
        assert row.startswith(f"| `{one.example}`")


def test_each_example_is_a_search_that_is_taken() -> None:
    for one in FIELDS:
        assert parse(one.example, NOW) != JobSearch(), one.name


@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused(text: str) -> None:
    with suppress(InvalidInputError):
        assert parse(text, NOW).wanted is not None


@given(st.text(min_size=1, max_size=60).filter(lambda text: "\0" not in text))
def test_any_text_can_be_looked_for_in_quotes(text: str) -> None:
    assert wanted(with_term("type:a", "name", text)).name == text
    assert wanted(with_term("type:a", "", text)).name == text
