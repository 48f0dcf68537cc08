"""YAML text from strangers: what is refused, and that lines are known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.domain.errors import InvalidInputError
from labq.jobdef import source
from labq.jobdef.parse import check_submission, parse_job
from labq.jobdef.source import OddText


def refusal(text: bytes | str) -> str:
    with pytest.raises(InvalidInputError) as caught:
        source.read(text)
    return str(caught.value)


def alias_bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    return "\n".join(lines)


def test_values_have_the_line_they_were_written_on() -> None:
    document = source.read("a: 1\nb:\n- c: 2\n  d: 3\n")
    assert document.value == {"a": 1, "b": [{"c": 2, "d": 3}]}
    assert document.line(("b", 0, "d")) == 4
    assert document.line(("b", 0)) == 3
    assert document.line(("a",)) == 1


def test_a_missing_key_has_the_line_of_its_mapping() -> None:
    document = source.read("a:\n  b: 1\n\nc:\n  d: 2\n")
    assert document.line(("c", "missing", "deeper")) == 4


def test_paths_read_like_code() -> None:
    assert source.describe_path(("actions", 0, "deploy", "to")) == "actions[0].deploy.to"
    assert source.describe_path(()) == ""


def test_the_last_of_doubled_keys_wins() -> None:
    document = source.read("a: 1\na: 2\n")
    assert document.value == {"a": 2}
    assert document.line(("a",)) == 2


def test_merge_keys_give_way_to_own_keys_and_to_earlier_mappings() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  c: 3\n  <<: [*x, *y]\n"
    document = source.read(text)
    assert document.value["z"] == {"a": 1, "b": 1, "c": 3}
    assert document.line(("z", "b")) == 1
    assert document.line(("z", "c")) == 4


def test_a_quoted_merge_key_is_a_key() -> None:
    assert source.read('{"<<": 1}').value == {"<<": 1}


def test_scalars_are_what_yaml_1_1_says() -> None:
    text = "[0x10, 010, 1_000, 1:30, yes, off, ~, 1.5, '5', !!str 7, 5e3]"
    assert source.read(text).value == [16, 8, 1000, 90, True, False, None, 1.5, "5", "7", "5e3"]


@pytest.mark.parametrize("text", ["2020-01-02", ".nan", "-.inf", "0x" + "f" * 40])
def test_scalars_that_json_has_not_keep_their_text(text: str) -> None:
    value = source.read(text).value
    assert value == text
    assert isinstance(value, OddText)


def test_a_byte_order_mark_is_skipped() -> None:
    assert source.read(b"\xef\xbb\xbfa: b").value == {"a": "b"}


def test_an_empty_text_is_null() -> None:
    assert source.read("# nothing\n").value is None


def test_ten_megabytes_are_refused_before_they_are_read() -> None:
    assert refusal(b"a: b\n" * 2_000_000) == "document: larger than 1048576 bytes"


def test_characters_count_by_their_bytes() -> None:
    assert "larger than" in refusal("ä" * (source.MAX_BYTES - 1))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused(opening: str) -> None:
    assert "nested deeper than 64 levels" in refusal(opening * 100_000)


def test_sixty_four_levels_are_accepted() -> None:
    assert source.read("[" * 64 + "]" * 64).value is not None
    assert "nested deeper" in refusal("[" * 65 + "]" * 65)


def test_an_alias_bomb_is_refused_where_it_grows_too_large() -> None:
    assert refusal(alias_bomb(12)) == "document (line 5): holds more than 50000 values"


def test_many_values_are_refused() -> None:
    assert "more than 50000 values" in refusal("[" + "a," * 60_000 + "]")


def test_aliases_share_their_value() -> None:
    assert source.read("a: &x {b: 1}\nc: *x\n").value == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize("text", ["&a [*a]", "&a {b: *a}", "*a"])
def test_an_alias_without_a_finished_anchor_is_refused(text: str) -> None:
    assert "has no anchor before it" in refusal(text)


def test_nul_bytes_are_refused_with_their_line() -> None:
    assert refusal(b"a: b\nc: \0") == "document (line 2): contains a NUL byte"
    assert refusal('a: b\nc: "\\0"') == "document (line 2): contains a NUL character"


def test_text_that_is_not_utf_8_is_refused_with_its_line() -> None:
    assert refusal(b"a: b\nc: \xff") == "document (line 2): not UTF-8: byte 0xff"
    assert "surrogate" in refusal("a: \ud800")


@pytest.mark.parametrize(
    "text",
    ["a: !!python/object/apply:os.system [id]", "!!set {a}", "!!binary aGk=", "a: !foo b", "a: ="],
)
def test_tags_beyond_plain_values_are_refused(text: str) -> None:
    assert "is not allowed" in refusal(text)


@pytest.mark.parametrize("text", ["2020-99-99", "!!int x", "!!bool x", "!!timestamp x", "!!int ''"])
def test_malformed_scalars_are_refused(text: str) -> None:
    assert "is not a valid" in refusal(text)


@pytest.mark.parametrize("text", ["a: b: c", "'open", "a:\n\t- b", "@x", "%YAML"])
def test_what_is_not_yaml_is_refused_with_its_line(text: str) -> None:
    assert "not YAML" in refusal(text)
    assert "(line " in refusal(text)


def test_a_second_document_is_refused() -> None:
    assert refusal("a: 1\n---\nb: 2\n") == "document (line 2): holds more than one document"


@pytest.mark.parametrize("text", ["? [a]\n: b", "? {a: b}\n: c", "x: &x [1]\n*x : 2"])
def test_a_key_must_be_a_single_value(text: str) -> None:
    assert "a key must be a single value" in refusal(text)


@pytest.mark.parametrize("text", ["<<: 3", "<<: [1]", "<<: [{a: 1}, x]"])
def test_only_mappings_are_merged(text: str) -> None:
    assert "merges mappings only" in refusal(text)


@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_job_or_in_a_clear_refusal(data: bytes) -> None:
    assert_refused(data)


WORDS = [
    *["job_name", "timeouts", "job", "minutes", "actions", "deploy", "to", "visibility", "public"],
    *[":", "-", "?", "[", "]", "{", "}", ",", "&a", "*a", "&", "*", "<<", "!", "!!int", "|", ">"],
    *["'", '"', "#", "%", "@", "`", "\n", "\n  ", "", "1", "1.5", ".nan", "~", "2020-01-01"],
    *["0x1", "\t", "\ud800", "\x00", "\x85", "ä", "---", "..."],
]


@given(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join))
def test_any_yaml_like_text_ends_in_a_job_or_in_a_clear_refusal(text: str) -> None:
    assert_refused(text)


def assert_refused(text: bytes | str) -> None:
    assert check_submission(text)
    with pytest.raises(InvalidInputError) as caught:
        parse_job(text)
    assert all(problem.message for problem in caught.value.problems)
    str(caught.value).encode()
