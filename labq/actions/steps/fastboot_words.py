"""What the fastboot client's last words mean, and who must act on them."""

from __future__ import annotations

import re
import signal

from labq.domain.errors import InfrastructureError, JobError, LabqError
from labq.hw.session import Finished

TOLD_CHARACTERS = 1000
_REMOTE = re.compile(r"FAILED \(remote: '?(.*?)'?\)\s*$", re.MULTILINE)
_FAILED = re.compile(
    r"^.*(?:FAILED \(|fastboot: error: |fastboot: invalid option ).*$", re.MULTILINE
)
_OF_THE_JOB = re.compile(
    r"partition|sparse|too large|too small|larger than|size|slot|unknown command|image",
    re.IGNORECASE,
)
"""Refusals that name the job's image or partition: its submitter must act."""

_UNEVEN = "is not a multiple of the block size"
_SPAWN_ERRORS = 128
"""Exit codes above this one are deaths by signal, as a shell or `timeout` tells them."""

_TIMED_OUT = 124


def failure_of(finished: Finished, command: str, *, is_of_job: bool) -> LabqError | None:
    """Return why the command failed, None when it did its work.

    The exit code alone does not tell: `getvar` of an unknown variable fails with code 0. A refused
    command that `is_of_job`, word by word, is its submitter's to mend.
    """
    said = finished.output.strip()[-TOLD_CHARACTERS:] or "nothing"
    code = finished.returncode
    if code < 0 or code == _TIMED_OUT or code > _SPAWN_ERRORS:
        return InfrastructureError(f"fastboot {command} {_death(code)}; it said: {said}")
    if _UNEVEN in said:
        return JobError(
            f"fastboot {command}: the client cannot split an image whose size is not a multiple of "
            f"4096 bytes; it said: {said}"
        )
    if refusal := _REMOTE.search(finished.output):
        text = f"fastboot {command}: the device refused: {refusal[1]}"
        if is_of_job or _OF_THE_JOB.search(refusal[1]):
            return JobError(text)
        return InfrastructureError(text)
    if code or _FAILED.search(finished.output):
        return InfrastructureError(f"fastboot {command} ended with code {code}: {said}")
    return None


def _death(code: int) -> str:
    """Say how the client ended: by a signal, or by a time limit around it."""
    if code == _TIMED_OUT:
        return "was ended by a time limit"
    number = -code if code < 0 else code - _SPAWN_ERRORS
    try:
        return f"was killed by {signal.Signals(number).name}"
    except ValueError:
        return f"ended with code {code}"
