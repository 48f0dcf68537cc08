"""Menus of UEFI on a console: entries are picked by their labels, whatever numbers they have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from labq.actions.steps.dictionary import character_delay, texts
from labq.actions.steps.work import Work, expired
from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError, JobError
from labq.hw.expect import Expect, alternative

LABELS = r"a-zA-Z0-9\s\:"
SEPARATORS = {"dos": b"\r\n", "unix": b"\n"}
ESCAPE, ENTER = b"\x1b", b"\r"
KEYS = frozenset({"items", "prompt", "enter", "escape", "wait", "fallback"})


@dataclass(frozen=True, slots=True)
class Layout:
    """How a menu is written: `[2] Shell` has the markup `[`, `]`, the separator ` `."""

    markup: tuple[str, str]
    numbers: str
    separator: str
    labels: str = LABELS

    def number(self, menu: str, label: str) -> str | None:
        """Return what is typed for a label; of several menus the last one counts."""
        begin, end = map(re.escape, self.markup)
        entry = re.compile(f"{begin}([{self.numbers}]+){end}{self.separator}([{self.labels}]*)")
        for line in reversed(menu.splitlines()):
            found = entry.search(line.strip())
            if found is not None and found.group(2).strip() == label:
                return found.group(1)
        return None


def layout_of(parameters: Mapping[str, object]) -> Layout:
    """Return the layout that a dictionary describes; raises ConfigurationError."""
    markup = texts(parameters.get("item_markup"))
    missing = [key for key in ("item_class", "separator") if key not in parameters]
    if len(markup) != 2 or missing:
        raise ConfigurationError(
            "the device does not describe its menu: item_markup, item_class, separator"
        )
    return Layout(
        markup=(markup[0], markup[1]),
        numbers=str(parameters["item_class"]),
        separator=str(parameters["separator"]),
        labels=str(parameters.get("label_class") or LABELS),
    )


@dataclass(slots=True)
class Menu:
    """One menu on one console; `fill` replaces placeholders."""

    work: Work
    expect: Expect
    layout: Layout
    line_end: bytes
    fill: Callable[[str], str]
    shown: str = ""

    def interrupt(self, name: str, prompt: str, text: str) -> None:
        """Stop the automatic boot, which shows the menu."""
        with self.work.action(name) as deadline:
            self._await(prompt, name, deadline)
            self._send(text.encode())

    def pick(self, name: str, prompt: str, entries: Sequence[object], message: str = "") -> None:
        """Follow the entries of a dictionary from `prompt` on; then `message` must come, if any."""
        with self.work.action(name) as deadline:
            self._await(prompt, name, deadline)
            for entry in entries:
                self._follow(_selection(entry), name, deadline)
            if message:
                self._await(message, name, deadline)

    def _follow(self, selection: Mapping[str, object], name: str, deadline: Deadline) -> None:
        wait = str(selection.get("wait") or "")
        sent = [self._number(label, selection) for label in texts(selection.get("items"))]
        sent += [ESCAPE] if "escape" in selection else []
        if "enter" in selection:
            sent.append(self.fill(str(selection["enter"])).encode() + ENTER)
        for data in sent:
            self._send(data)
            if wait:
                self._await(wait, name, deadline)

    def _number(self, label: str, selection: Mapping[str, object]) -> bytes:
        labels = [self.fill(label), self.fill(str(selection.get("fallback") or ""))]
        for wanted in filter(None, labels):
            number = self.layout.number(self.shown, wanted)
            if number is not None:
                self.work.debug(f"{wanted!r} has number {number}")
                return number.encode() + self.line_end
        raise JobError(
            f"the menu has no entry {labels[0]!r}; it shows: {self.shown[-500:].strip()}"
        )

    def _send(self, data: bytes) -> None:
        self.expect.send(data, character_delay(self.work.session, "boot"))

    def _await(self, pattern: str, name: str, deadline: Deadline) -> None:
        timeouts = self.work.session.step.timeouts
        found = self.expect.wait([alternative("wanted", pattern)], deadline, timeouts.silence(name))
        if found is None:
            facts = (
                f"{pattern!r} never came; last on the console: {self.expect.tail() or 'nothing'}"
            )
            raise expired(name, min(timeouts.of(name), timeouts.silence(name)), facts)
        self.shown = found.before.decode(errors="replace")


def line_end(name: object) -> bytes:
    """Return what ends a line: `dos` or `unix`; raises ConfigurationError for other words."""
    try:
        return SEPARATORS[str(name or "dos")]
    except KeyError as error:
        raise ConfigurationError(f"line_separator {name!r} is neither dos nor unix") from error


def _selection(entry: object) -> Mapping[str, object]:
    found = entry.get("select") if isinstance(entry, Mapping) else None
    if not isinstance(found, Mapping) or not KEYS.issuperset(found):
        raise ConfigurationError(f"no entry of a menu: {entry!r}")
    return found
