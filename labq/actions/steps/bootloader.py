"""Talks to a boot loader: stops it, then sends lines one by one, each after the prompt.

Some loaders lose what is typed: faster than they read, or at any speed (GRUB, with whom the firmware
reads the same port). A line is only ended by a line feed once its echo shows that all of it arrived,
else it is wiped out and typed again sign by sign, each until it is seen; so are all lines after it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from labq.actions.steps.dictionary import character_delay
from labq.actions.steps.work import Work, expired
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.hw.expect import Alternative, Expect, Found, alternative

ECHO_SECONDS = 5.0
"""How long an echo is waited for before the line is taken for typed without it."""

TORN_SECONDS = 2.0
"""How long a part of an echo may stay without more of it; iPXE on a BIOS echoes ten signs a second."""

WIPE = b"\x15"
"""Control-U wipes out the line in U-Boot, barebox, GRUB, iPXE and the shell of UEFI."""

SIGN_SECONDS = 2.0
SIGN_TRIES = 16
WIPES = 5
"""How often a line is wiped out when nothing shows that it was."""

INTERRUPT_SECONDS = 5.0
"""How long a loader may be silent when it was stopped, before it is stopped again."""

_GAP = rb"[\s\x00]*"


@dataclass(slots=True)
class Bootloader:
    """One boot loader on one console."""

    work: Work
    expect: Expect
    prompt: str
    interrupt_prompt: str
    interrupt_text: str
    needs_interrupt: bool
    final_message: str
    errors: Sequence[str]
    line_end: bytes = b"\n"
    is_lossy: bool = False

    def start(self, name: str, message: str) -> None:
        """Wait for what the loader says first."""
        with self.work.action(name) as deadline:
            self._await([alternative("start", message)], name, deadline)

    def interrupt(self) -> None:
        """Stop the automatic boot and reach the prompt."""
        name = "bootloader-interrupt"
        with self.work.action(name) as deadline:
            if self.needs_interrupt:
                wanted = [alternative("interrupt", self.interrupt_prompt)]
                self._await(wanted, name, deadline)
                self._stop(deadline)
            else:
                self._await([self._prompt()], name, deadline)

    def _stop(self, deadline: Deadline) -> None:
        """Type what stops the loader until it shows its prompt: a keystroke may get lost."""
        name = "bootloader-interrupt"
        for number in range(SIGN_TRIES):
            self.expect.send(self.interrupt_text.encode(), self._delay())
            found = self.expect.wait([self._prompt(), *self._errors()], deadline, INTERRUPT_SECONDS)
            if found is not None:
                self._judge(found, name)
                if number:
                    self.expect.pause(TORN_SECONDS)
                    self.expect.forget()
                    self._wipe()
                return
        self._await([self._prompt()], name, deadline)

    def send(self, lines: Sequence[str], name: str = "bootloader-commands") -> None:
        """Send the lines; after the last one the final message must come, if there is one."""
        self._send(lines, self.final_message, name)

    def send_all(self, lines: Sequence[str]) -> None:
        """Send lines after which the loader is still there."""
        if lines:
            self._send(lines, self.prompt, "bootloader-commands")

    def restart(self, line: str) -> None:
        """Send a line that makes the loader begin anew, from another flash bank."""
        self._send([line], "", "bootloader-commands-altbank")

    def _send(self, lines: Sequence[str], last: str, name: str) -> None:
        with self.work.action(name) as deadline:
            for number, line in enumerate(lines, start=1):
                self._line(line, name, deadline)
                if number < len(lines):
                    self._await([self._prompt()], name, deadline)
            if last:
                self._await([alternative("final", last)], name, deadline)

    def _line(self, line: str, name: str, deadline: Deadline) -> None:
        """Type a line; its echo also keeps an older prompt from being taken for the next one."""
        typed = line.encode()
        if not self.is_lossy:
            self.expect.send(typed, self._delay())
            if self._arrived(typed, name, deadline):
                self.expect.send(self.line_end)
                return
            self.work.debug(f"{line!r} was torn on its way: {self.expect.tail()!r}")
            self.is_lossy = True
            self.expect.forget()
            self._wipe()
        for sign in typed:
            self._sign(bytes([sign]), re.escape(bytes([sign])), name, deadline)
        self._sign(self.line_end, rb"[\r\n]", name, deadline)

    def _wipe(self) -> None:
        """Wipe out the line, again until the loader shows that it does; an empty one shows nothing."""
        for _ in range(WIPES):
            self.expect.send(WIPE)
            if self.expect.take(self.expect.after(TORN_SECONDS)) is not None:
                self.expect.pause(TORN_SECONDS)
                self.expect.forget()
                return

    def _sign(self, sign: bytes, echo: bytes, name: str, deadline: Deadline) -> None:
        """Type one character, or what ends a line, until it is echoed."""
        wanted = [Alternative("echo", re.compile(echo)), *self._errors()]
        for _ in range(SIGN_TRIES):
            self.expect.send(sign)
            found = self.expect.wait(wanted, deadline, SIGN_SECONDS)
            if found is not None:
                self._judge(found, name)
                return
        raise InfrastructureError(
            f"{name}: the boot loader never echoes {sign!r}: {self.expect.tail()}"
        )

    def _arrived(self, typed: bytes, name: str, deadline: Deadline) -> bool:
        """Tell whether the echo shows all of the line; one that echoes nothing is believed."""
        if not typed.strip():
            return True
        wanted = [_echo(typed), *self._errors()]
        found = self.expect.wait(wanted, deadline, TORN_SECONDS)
        if found is None and not self.expect.tail():
            found = self.expect.wait(wanted, deadline, ECHO_SECONDS)
        if found is None and not self.expect.tail():
            self.work.debug(f"no echo of {typed.decode()!r}")
            return True
        return found is not None and bool(self._judge(found, name))

    def _await(self, wanted: Sequence[Alternative], name: str, deadline: Deadline) -> Found:
        timeouts = self.work.session.step.timeouts
        found = self.expect.wait([*wanted, *self._errors()], deadline, timeouts.silence(name))
        if found is None:
            pattern = wanted[0].regex.pattern.decode()
            last = self.expect.tail() or "nothing"
            facts = f"{pattern!r} never came; last on the console: {last}"
            raise expired(name, min(timeouts.of(name), timeouts.silence(name)), facts)
        return self._judge(found, name)

    def _judge(self, found: Found, name: str) -> Found:
        if found.name == "error":
            line = (found.before[-200:] + found.match.group()).decode(errors="replace")
            shown = line.splitlines()[-1].strip()
            raise InfrastructureError(f"{name}: the boot loader failed: {shown}")
        return found

    def _prompt(self) -> Alternative:
        return alternative("prompt", self.prompt)

    def _errors(self) -> list[Alternative]:
        return [alternative("error", source) for source in self.errors]

    def _delay(self) -> float:
        return character_delay(self.work.session, "boot")


def _echo(typed: bytes) -> Alternative:
    """Return the pattern of a line's echo, in which a terminal may have broken lines."""
    signs = typed.split()
    source = _GAP.join(re.escape(bytes([sign])) for sign in b"".join(signs))
    return Alternative("echo", re.compile(source))
