"""One error root; branches by who must act. A message carries the facts a reader needs to act."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorType(StrEnum):
    """LAVA's error types, as they stand in the case `lava/job` and in its APIs."""

    INFRASTRUCTURE = "Infrastructure"
    JOB = "Job"
    TEST = "Test"
    BUG = "Bug"
    CANCELED = "Canceled"
    CONFIGURATION = "Configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error as it travels in events and is stored: its type and the message for the reader."""

    type: ErrorType
    message: str


class LabqError(Exception):
    """Root of everything labq raises on purpose."""

    type: ErrorType = ErrorType.BUG

    def failure(self) -> Failure:
        """Return the error as a value."""
        return Failure(type=self.type, message=str(self))


class InfrastructureError(LabqError):
    """The lab admin must act: power, cable, console, network, disk, host."""

    type = ErrorType.INFRASTRUCTURE


class JobError(LabqError):
    """The submitter must act: wrong URL, missing method, a boot that never reaches its prompt."""

    type = ErrorType.JOB


class TestError(LabqError):
    """The test must be mended: it timed out, sent nonsense, or asked for the job to end."""

    __test__ = False  # the name is LAVA's; pytest must not collect it
    type = ErrorType.TEST


class ConfigurationError(LabqError):
    """The configuration of a device, host or server is wrong."""

    type = ErrorType.CONFIGURATION


class CanceledError(LabqError):
    """Somebody canceled the job."""

    type = ErrorType.CANCELED


class BugError(LabqError):
    """labq itself is at fault."""

    type = ErrorType.BUG


class ConflictError(LabqError):
    """The request does not fit the present state: already ended, still in use, name taken."""


class ForbiddenError(LabqError):
    """The user may not do this."""


class NotFoundError(LabqError):
    """No such thing, or it is hidden from this user."""


class TooLargeError(LabqError):
    """There is no room for as much as that: a file, or all files of a run together."""


class UnauthenticatedError(LabqError):
    """Name, password, token or session of the request is missing or wrong."""


class TooManyRequestsError(LabqError):
    """The caller tried too often; it may come back after some seconds."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class TooSlowError(LabqError):
    """The answer took longer than its reader is let wait; asking for less of it helps."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in an input: where (`actions[0].deploy.to`), which line (from 1), what."""

    path: str
    message: str
    line: int | None = None

    def describe(self) -> str:
        """Return the problem on one line."""
        at = f" (line {self.line})" if self.line else ""
        return f"{self.path or 'document'}{at}: {self.message}"


class InvalidInputError(LabqError):
    """An input from outside is wrong; all its problems at once."""

    type = ErrorType.JOB

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(problem.describe() for problem in problems))


RETRYABLE = (ErrorType.INFRASTRUCTURE, ErrorType.JOB, ErrorType.TEST)
"""What `failure_retry` of a block repeats: never a bug or a cancel."""
