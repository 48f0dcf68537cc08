"""Placeholders in commands of a device."""

from __future__ import annotations

from pathlib import Path

from labq.bench.placeholders import in_command, in_word, values

KNOWN = values(Path("/runs/1"), Path("/tftp/b"), {"images": {"kernel": "/files/it's"}})


def test_known_names_are_replaced_and_quoted():
    assert in_command("boot {KERNEL} {FOLDER}", KNOWN) == "boot '/files/it'\"'\"'s' /runs/1/files"


def test_other_braces_stay():
    text = "awk '{print $1}' ${HOME} {UNKNOWN} {kernel}"
    assert in_command(text, {}) == text


def test_words_of_an_argument_list_are_not_quoted():
    assert in_word("path={TFTP_DIR},x", KNOWN) == "path=/tftp/b,x"


def test_what_was_remembered_may_be_nonsense():
    assert values(Path("/r"), Path("/t"), {"images": 5}).keys() == {"FOLDER", "PYTHON", "TFTP_DIR"}
