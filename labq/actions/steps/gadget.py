"""Disks that the host shows to a board as a USB gadget; the end of the run takes them away."""

from __future__ import annotations

from labq.actions.steps import tool
from labq.actions.steps.dictionary import texts
from labq.domain.deadline import Deadline
from labq.hw.session import Session

_DISABLE = "usbg-ms/disable"


def words(command: object) -> list[str]:
    """Return a command of the dictionary, a text or a list of words, as words."""
    return tool.words_of(command) if isinstance(command, str) else texts(command)


def remember(session: Session, disable: list[str]) -> None:
    """Remember the command that takes the disk away; it is run once, at the end of the run."""
    session.remember(_DISABLE, disable)


def clean(session: Session, deadline: Deadline) -> None:
    """Take the disk away that this run shows, if it shows one."""
    if disable := texts(session.recall(_DISABLE)):
        session.run(disable, deadline)
