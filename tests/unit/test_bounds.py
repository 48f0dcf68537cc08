"""What hosts send stays within what the server can keep, whatever a test prints or a stranger writes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from labq import streams
from labq.conductor.link import is_at_or_past, is_identifier
from labq.conductor.patience import CREDIT, LONGEST_PAUSE_SECONDS, Patience
from labq.domain import bounds
from labq.domain.errors import ErrorType, Failure, InvalidInputError
from labq.domain.events import EventBatch, LogChunk, ResultReported, StepEnd, StepEnded
from labq.domain.verdicts import Verdict
from labq.services import columns

AT = datetime(2026, 1, 1, tzinfo=UTC)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=3000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=20,
)


def a_result(case="boot", details=None):
    return ResultReported(
        run=1,
        epoch=1,
        step=2,
        at=AT,
        channel="main",
        offset=7,
        line=3,
        suite="0_smoke",
        case=case,
        verdict=Verdict.PASS,
        details=details or {},
    )


@given(ANY_TEXT, st.integers(min_value=3, max_value=2000))
def test_a_cut_text_is_one_that_is_taken(text, most):
    assert bounds.text_problem(bounds.cut(text, most), most) is None


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=100))
def test_a_short_text_is_not_changed(text):
    assert bounds.cut(text, 400) == text


@given(st.dictionaries(ANY_TEXT, JSON, max_size=8))
def test_trimmed_details_are_short_and_those_that_are_short_stay(details):
    kept = bounds.trimmed(details)
    assert len(json.dumps(kept, ensure_ascii=False)) <= bounds.KEPT_DETAILS
    if len(json.dumps(details, ensure_ascii=False)) <= bounds.KEPT_DETAILS:
        assert json.dumps(kept) == json.dumps(details)


@given(ANY_TEXT, st.dictionaries(ANY_TEXT, JSON, max_size=8))
def test_an_event_without_problems_is_one_that_postgresql_can_hold(case, details):
    event = a_result(case, details)
    if next(bounds.event_problems(event), None) is None:
        text = json.dumps([event.case, dict(event.details)], allow_nan=False, ensure_ascii=False)
        assert "\0" not in text.encode().decode()
        assert "\\u0000" not in text.replace("\\\\", "")
        assert len(event.case.encode()) <= bounds.MOST_NAME_BYTES


@given(st.binary(max_size=2000))
def test_any_bytes_are_a_batch_or_refused(data):
    for load in (streams.load_event_batch, streams.load_report):
        try:
            load(data)
        except InvalidInputError:
            continue


@given(JSON)
def test_any_value_in_the_place_of_an_event_is_one_bad_event(value):
    try:
        data = json.dumps({"first": 5, "events": [value]}).encode()
    except ValueError:
        return
    try:
        (event,) = streams.load_event_batch(data).events
    except InvalidInputError:
        return
    assert isinstance(event, streams.BadEvent)


@given(st.integers(0, 10), st.binary(max_size=30))
def test_a_damaged_batch_never_raises_anything_else(place, noise):
    data = streams.dump_event_batch(EventBatch(first=1, events=(a_result(), a_result())))
    at = place * len(data) // 10
    try:
        streams.load_event_batch(data[:at] + noise + data[at + len(noise) :])
    except InvalidInputError:
        return


@given(st.binary(max_size=500), st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_a_damaged_frame_is_refused_or_within_the_bound(raw, place, noise):
    data = streams.log_entry(1, 0, raw)["data"]
    damaged = data[:place] + noise + data[place + len(noise) :]
    try:
        assert len(streams.unpack_log(LogChunk(run=1, offset=0, data=damaged))) <= 256 * 1024
    except InvalidInputError:
        return


@given(st.text(max_size=50))
def test_an_identifier_is_one_that_redis_takes(text):
    if is_identifier(text):
        numbers = [int(part) for part in text.split("-")]
        assert text.isascii()
        assert all(number < 2**64 for number in numbers)
    assert is_at_or_past("18446744073709551615-18446744073709551615", text)
    assert not is_identifier("18446744073709551616-0")
    assert not is_identifier("1_0")


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_host_s_time_is_never_far_from_the_life_of_its_run(moment):
    latest = AT + timedelta(hours=2)
    found = bounds.near(moment, earliest=AT, latest=latest)
    assert AT - bounds.MOST_SKEW <= found <= latest + bounds.MOST_SKEW
    if abs(moment - AT) < timedelta(hours=1):
        assert found == moment


def test_a_host_has_credit_for_some_nonsense_and_then_has_to_wait():
    patience = Patience()
    patience.spend(int(CREDIT), 100.0)
    assert patience.is_free(100.0)
    patience.spend(3, 100.0)
    assert not patience.is_free(102.9)
    assert patience.is_free(103.0)


def test_a_flood_of_nonsense_costs_a_bounded_wait_and_good_entries_none():
    patience = Patience()
    patience.spend(1_000_000, 100.0)
    assert not patience.is_free(100.0 + LONGEST_PAUSE_SECONDS - 0.1)
    assert patience.is_free(100.0 + LONGEST_PAUSE_SECONDS)
    patience.spend(0, 105.0)
    assert patience.is_free(105.0)


@given(ANY_TEXT, st.dictionaries(ANY_TEXT, JSON, max_size=4))
def test_what_a_host_sends_of_a_result_keeps_within_the_bounds(text, details):
    event = replace(a_result(text * 20, details), units=text * 20, test_set=text * 20)
    sent = bounds.fitted(event)
    problems = [one.describe() for one in bounds.event_problems(sent)]
    assert all(one.startswith("details") for one in problems)
    assert len(streams.dump_event(replace(sent, details={}))) < 64 * 1024


def test_a_long_failure_is_cut_and_an_event_that_fits_is_not_changed():
    failure = Failure(type=ErrorType.BUG, message="x" * 100_000)
    end = StepEnded(run=1, epoch=1, step=1, at=AT, end=StepEnd.FAILED, next=2, failure=failure)
    assert next(bounds.event_problems(end))
    assert next(bounds.event_problems(bounds.fitted(end)), None) is None
    assert bounds.fitted(a_result()) == a_result()


NUMBERS = st.one_of(
    st.integers(-1, 3), st.integers(2**31 - 1, 2**31), st.integers(2**63 - 1, 2**63)
)


@given(
    numbers=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("run", "epoch", "step", "offset", "line", "start_line", "end_line"), NUMBERS
        ),
    ),
    texts=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("channel", "suite", "case", "units", "test_set"), st.text())
    ),
    at=st.datetimes(timezones=st.sampled_from((None, UTC))),
    measurement=st.one_of(st.none(), st.decimals()),
)
def test_a_result_that_is_not_looked_at_closely_has_no_problems(numbers, texts, at, measurement):
    event = replace(a_result(), **numbers, **texts, at=at, measurement=measurement)
    if bounds.is_plain_result(event):
        assert list(bounds.event_problems(event)) == []


def test_an_ordinary_result_is_not_looked_at_closely():
    assert bounds.is_plain_result(a_result())
    assert not bounds.is_plain_result(a_result(case="a\0b"))
    assert not bounds.is_plain_result(a_result(case="x" * 2000))
    assert not bounds.is_plain_result(replace(a_result(), offset=-1))
    assert not bounds.is_plain_result(replace(a_result(), at=datetime(1850, 1, 1, tzinfo=UTC)))
    assert not bounds.is_plain_result(replace(a_result(), measurement=Decimal("NaN")))


@given(st.lists(st.text(), max_size=5))
def test_a_column_of_texts_is_an_array_of_them(values):
    assert read_array(columns.of_texts(values)) == values
    assert read_array(columns.of_texts_or_nulls([None, *values])) == [None, *values]


def read_array(text):
    """Return what PostgreSQL reads in an array literal of texts."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(NULL)', text[1:-1], re.DOTALL)
    return [
        None if null else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) for quoted, null in found
    ]
