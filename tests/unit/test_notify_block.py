"""A definition's `notify` block: when, whom, how much."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.conductor.said import take_said
from labq.domain.states import JobState, Outcome
from labq.services import callback, notify_block, occurrences
from labq.services.occurrences import MOST_TEXT_BYTES, Occurrence, Topic

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(["criteria", "callback", "callbacks", "recipients", "compare", "verbosity"])


@given(st.dictionaries(KEYS, JSON))
def test_whatever_a_submission_let_pass_is_read(block: dict[str, Any]) -> None:
    notify_block.read(block).wants(JobState.FINISHED, Outcome.COMPLETE)


def test_a_block_says_whom_and_how() -> None:
    read = notify_block.read(
        {
            "criteria": {"status": "incomplete", "type": "regression"},
            "verbosity": "status-only",
            "recipients": [
                {"to": {"method": "email", "email": "a@b.example"}},
                {"to": {"method": "email", "user": "ann"}},
                {"to": {"method": "irc", "handle": "bob", "server": "irc.example"}},
            ],
            "callbacks": [{"url": "http://x/", "method": "post", "content-type": "json"}],
            "compare": {"blacklist": ["flaky"]},
        }
    )
    assert [one.label for one in read.recipients] == ["a@b.example", "ann", "bob@irc.example"]
    assert [(one.method, one.content_type) for one in read.callbacks] == [("POST", "json")]
    assert (read.compares, read.ignored) == (True, frozenset({"flaky"}))
    assert read.fits(Outcome.INCOMPLETE, Outcome.COMPLETE)
    assert not read.fits(Outcome.INCOMPLETE, Outcome.INCOMPLETE)


@pytest.mark.parametrize(
    ("url", "filled"),
    [
        ("http://x/{ID}/{ STATUS }", "http://x/7/2"),
        ("http://x/?n={DESCRIPTION}&d={ACTUAL_DEVICE}", "http://x/?n=a%20%26%20b&d=board-1"),
        ("http://x/{NOTHING}/{id}", "http://x/{NOTHING}/{id}"),
    ],
)
def test_placeholders_are_filled_and_quoted(url: str, filled: str) -> None:
    fields = {"id": 7, "status": 2, "description": "a & b", "actual_device_id": "board-1"}
    assert callback.url_of(url, fields) == filled


def test_a_form_leaves_out_what_is_none_and_repeats_lists() -> None:
    body = callback.as_form({"a": None, "b": [{"k": 1}, {"l": "x"}], "c": False})
    assert body == b"b=%7B%22k%22%3A+1%7D&b=%7B%22l%22%3A+%22x%22%7D&c=False"


def test_what_tests_say_is_taken_from_the_log_and_kept_as_debug() -> None:
    said = b'- {"dt": "2026-01-01T00:00:00+00:00", "lvl": "event", "msg": "half \\"way\\""}\n'
    forged = (
        b'- {"dt": "x", "lvl": "target", "msg": "\\"lvl\\": \\"event\\", \\"msg\\": \\"no\\"}"}\n'
    )
    kept, texts = take_said(forged + said + forged)
    assert texts == ['half "way"']
    assert kept == forged + said.replace(b'"event"', b'"debug"') + forged
    assert take_said(forged) == (forged, [])


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_an_occurrence_comes_back_as_it_was_told_and_fits_a_notification(text: str) -> None:
    one = Occurrence(topic=Topic.TEST, at=NOON, run=5, text=text)
    back = occurrences.load(occurrences.dump(one))
    assert back is not None
    assert text.startswith(back.text)
    long = occurrences.dump(Occurrence(topic=Topic.TEST, at=NOON, run=5, text="\x01\u20ac" * 9000))
    assert len(long.encode()) < MOST_TEXT_BYTES + 200


@pytest.mark.parametrize("payload", ["", "5", "[]", '["job", "x", "1", "", "", null, ""]', '["x"]'])
def test_nonsense_is_no_occurrence(payload: str) -> None:
    assert occurrences.load(payload) is None
