"""Brings the overlay to a booted device by commands in its shell (`transfer_overlay`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labq.actions.parameters import BootParameters, TransferOverlay
from labq.actions.steps.dictionary import character_delay
from labq.actions.steps.file_server import serve
from labq.actions.steps.work import Work, expired, namespaced
from labq.config import load
from labq.domain.deadline import Deadline
from labq.domain.errors import JobError
from labq.hw.expect import Expect, alternative

_EXIT = alternative("exit", r"labq-exit=([0-9]+)")


def transfer_overlay(work: Work, expect: Expect, parameters: BootParameters) -> None:
    """Let the device fetch and unpack the overlay of its namespace, when the block asks for it."""
    transfer = parameters.transfer_overlay
    if transfer is None:
        return
    overlay = work.session.recall(namespaced(work.session, "overlay"))
    if not isinstance(overlay, str):
        raise JobError("transfer_overlay without a deploy that makes an overlay")
    if transfer.transfer_method != "http":
        raise JobError(f"transfer_method {transfer.transfer_method!r} is not supported")
    with (
        work.action("overlay-unpack", case=True) as deadline,
        serve(load().host_address, _address(work), [Path(overlay)]) as urls,
    ):
        commands = _commands(transfer, urls[0])
        for command in commands:
            _run(work, expect, command, deadline)


def _address(work: Work) -> str:
    """Return the host's address as the device sees it."""
    return str(work.session.plan.dictionary.get("host_address") or load().host_address)


def _commands(transfer: TransferOverlay, url: str) -> Sequence[str]:
    name = url.rsplit("/", 1)[-1]
    return (
        f"{transfer.download_command} {url}",
        f"{transfer.unpack_command} {name}",
    )


def _run(work: Work, expect: Expect, command: str, deadline: Deadline) -> None:
    """Type one command and check its exit code, which the echo of the command cannot look like."""
    delay = character_delay(work.session, "boot")
    expect.send(f"{command}; echo labq-exit=$?\n".encode(), delay)
    found = expect.wait([_EXIT], deadline, work.session.step.timeouts.silence("overlay-unpack"))
    if found is None:
        facts = f"{command!r} does not end; last on the console: {expect.tail() or 'nothing'}"
        raise expired("overlay-unpack", work.session.step.timeouts.of("overlay-unpack"), facts)
    if (code := int(found.match.group(1))) != 0:
        raise JobError(f"{command!r} failed on the device with exit code {code}")
