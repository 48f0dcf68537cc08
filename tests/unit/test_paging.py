"""Page keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.domain.errors import InvalidInputError
from labq.services.paging import LARGEST_ID, decode_id, decode_name, encode_key, page_of


@given(st.integers(min_value=0, max_value=LARGEST_ID))
def test_a_key_of_an_id_leads_back_to_it(number: int) -> None:
    assert decode_id(encode_key(number)) == number


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
def test_a_key_of_a_name_leads_back_to_it(name: str) -> None:
    assert decode_name(encode_key(name)) == name


@given(st.text(max_size=500))
def test_any_other_text_is_refused_or_a_number_in_range(text: str) -> None:
    try:
        found = decode_id(text)
    except InvalidInputError:
        return
    assert 0 <= found <= LARGEST_ID


def test_keys_of_ids_and_names_are_not_mixed() -> None:
    with pytest.raises(InvalidInputError):
        decode_id(encode_key("5"))
    with pytest.raises(InvalidInputError):
        decode_name(encode_key(5))


def test_the_last_page_has_no_key() -> None:
    assert page_of([3, 2], 2, lambda item: item).next is None
    page = page_of([3, 2, 1], 2, lambda item: item)
    assert page.items == (3, 2)
    assert page.next is not None
    assert decode_id(page.next) == 2
