"""Secrets are hidden wherever they stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labq.domain.masking import MASKED, Masks


def test_each_secret_is_replaced_wherever_it_stands() -> None:
    assert Masks(["top", "key"]).hide("top=key, stop") == f"{MASKED}={MASKED}, s{MASKED}"


def test_of_secrets_that_begin_alike_the_longest_is_hidden() -> None:
    assert Masks(["top", "topsecret"]).hide("my topsecret!") == f"my {MASKED}!"


def test_secrets_that_overlap_are_hidden_to_the_last_letter() -> None:
    assert Masks(["abcd", "cdef"]).hide("<abcdef>") == f"<{MASKED}>"


def test_a_secret_within_another_leaves_nothing_of_it() -> None:
    assert Masks(["bc", "abcd"]).hide("-abcd-bc-") == f"-{MASKED}-{MASKED}-"


def test_two_secrets_side_by_side_are_two() -> None:
    assert Masks(["one", "two"]).hide("onetwo") == MASKED * 2


def test_each_line_of_a_secret_is_hidden_where_it_is_shown_alone() -> None:
    masks = Masks(["BEGIN KEY\r\n  c2VjcmV0\r\n}\r\n"])
    assert masks.hide("+ echo c2VjcmV0") == f"+ echo {MASKED}"
    assert masks.hide("cat: BEGIN KEY\n  c2VjcmV0\n}\nend") == f"cat: {MASKED}end"
    assert masks.hide("a } alone") == "a } alone"


def test_texts_within_json_are_hidden_and_nothing_else_changes() -> None:
    value = {"a": ["x-key", 1, None], "key": {"b": "key"}}
    expected = {"a": [f"x-{MASKED}", 1, None], "key": {"b": MASKED}}
    assert Masks(["key"]).hide_all(value) == expected


def test_without_a_secret_nothing_is_hidden() -> None:
    assert Masks(["", ""]).hide("all of it") == "all of it"


@given(st.lists(st.text("ab\n", max_size=6), max_size=4), st.text("ab\n", max_size=40))
def test_no_secret_is_left_in_a_text(secrets: list[str], text: str) -> None:
    hidden = Masks(secrets).hide(text)
    assert not any(secret in hidden for secret in secrets if secret)
