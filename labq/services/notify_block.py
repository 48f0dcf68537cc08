"""A definition's `notify` block (LAVA's form), read once: when, whom, how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from labq.domain.states import JobState, Outcome
from labq.models.base import Json

_Word = TypeVar("_Word", bound=StrEnum)
_Default = TypeVar("_Default")
MOST_TARGETS = 50
"""Of one job; what comes after them is not notified."""


class Verbosity(StrEnum):
    """How much a mail says."""

    VERBOSE = "verbose"
    QUIET = "quiet"
    STATUS_ONLY = "status-only"


class Change(StrEnum):
    """How a job's outcome compares with that of the job before it."""

    REGRESSION = "regression"
    PROGRESSION = "progression"


_CHANGES = {
    Change.REGRESSION: (Outcome.COMPLETE, Outcome.INCOMPLETE),
    Change.PROGRESSION: (Outcome.INCOMPLETE, Outcome.COMPLETE),
}


class Dataset(StrEnum):
    """What a callback sends beside the job's own fields."""

    MINIMAL = "minimal"
    LOGS = "logs"
    RESULTS = "results"
    ALL = "all"

    @property
    def has_log(self) -> bool:
        """Tell whether the log is sent."""
        return self in (Dataset.LOGS, Dataset.ALL)

    @property
    def has_results(self) -> bool:
        """Tell whether the results are sent."""
        return self in (Dataset.RESULTS, Dataset.ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One request to make: where to, how, and the token that stands in `header`."""

    url: str
    method: str = "GET"
    header: str = "Authorization"
    token: str = ""
    content_type: str = "urlencoded"
    dataset: str = "minimal"

    @property
    def data(self) -> Dataset:
        """Return the data set; a word that is none asks for the least."""
        return _word(Dataset, self.dataset, Dataset.MINIMAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who is told: an e-mail address, a user by name, or a handle of IRC at a server."""

    method: str
    user: str = ""
    email: str = ""
    handle: str = ""
    server: str = ""

    @property
    def label(self) -> str:
        """Return whom to show: a user's address is not for everybody who sees the job."""
        return self.user or self.email or "@".join(filter(None, (self.handle, self.server)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """What a definition asks for. Without recipients and callbacks its submitter gets a mail."""

    status: str
    change: Change | None
    verbosity: Verbosity
    recipients: tuple[Recipient, ...]
    callbacks: tuple[Callback, ...]
    compares: bool
    ignored: frozenset[str]

    def wants(self, state: JobState, outcome: Outcome | None) -> bool:
        """Tell whether the criteria fit a job that has just begun to run, or ended."""
        if state is JobState.RUNNING:
            return self.status in ("running", "all")
        return self.status in ("finished", "all") or self.status == outcome

    def fits(self, outcome: Outcome | None, before: Outcome | None) -> bool:
        """Tell whether the outcome is the change that is asked for, after the job before."""
        # As with LAVA, these words alone make the type count.
        if self.change is None or self.status not in tuple(Outcome):
            return True
        return (before, outcome) == _CHANGES[self.change]


def read(block: Json) -> Notify:
    """Return what a block asks for; what the submission let pass and means nothing is left out."""
    criteria, compare = _mapping(block.get("criteria")), _mapping(block.get("compare"))
    callbacks = tuple(_callbacks(block))[:MOST_TARGETS]
    recipients = tuple(_recipients(block))[: MOST_TARGETS - len(callbacks)]
    return Notify(
        status=str(criteria.get("status", "")),
        change=_word(Change, criteria.get("type"), None),
        verbosity=_word(Verbosity, block.get("verbosity"), Verbosity.QUIET),
        recipients=recipients,
        callbacks=callbacks,
        compares=bool(compare),
        ignored=frozenset(str(name) for name in _list(compare.get("blacklist"))),
    )


def _callbacks(block: Json) -> Iterator[Callback]:
    many = block.get("callbacks")
    for one in many if isinstance(many, list) else [block.get("callback")]:
        if isinstance(one, Mapping) and isinstance(one.get("url"), str):
            yield Callback(
                url=one["url"],
                method=str(one.get("method", "GET")).upper(),
                header=str(one.get("header", "Authorization")),
                token=str(one.get("token") or ""),
                content_type=str(one.get("content-type", "urlencoded")),
                dataset=str(one.get("dataset", "minimal")),
            )


def _recipients(block: Json) -> Iterator[Recipient]:
    for one in _list(block.get("recipients")):
        to = _mapping(_mapping(one).get("to"))
        values = {
            name: str(to[name]) for name in ("user", "email", "handle", "server") if to.get(name)
        }
        if values:
            yield Recipient(method=str(to.get("method", "email")), **values)


def _word(kind: type[_Word], text: object, default: _Default) -> _Word | _Default:
    try:
        return kind(str(text))
    except ValueError:
        return default


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
