"""The search language of job lists, `type:rk3399 infra:power since:14d`, read into a filter.

A search is refused with all that is wrong with it: which term, where it begins, and what is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar

from labq.domain.errors import ErrorType, InvalidInputError, Problem
from labq.domain.states import JobState, Outcome
from labq.domain.verdicts import Verdict
from labq.services.job_labels import LONGEST_NAME, METADATA
from labq.services.job_list import WINDOW, JobFilter
from labq.services.paging import LARGEST_ID

LONGEST = 500
MOST_TERMS = 20
WIDEST = timedelta(days=31)
"""How far back is looked for what no index finds, unless another term has one."""
ALL = "all"
SINCE = "since"
_EARLIEST, _LATEST = 1970, 2999
_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([0-9]{1,5})(min|h|d|w)")
# A word is `field:value`, `field:"some value"`, `value` or `"some value"`; `""` in quotes is a quote.
_WORD = re.compile(
    r'(?:(?P<field>[^\s":]*):)?'
    r'(?:"(?P<quoted>(?:[^"]|"")*)"(?![^\s])|(?P<bare>[^\s"]+)(?![^\s])|(?P<odd>\S*))'
)
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSearch:
    """What was asked for, as `job_list.find_page` takes it."""

    wanted: JobFilter = field(default_factory=JobFilter)
    window: timedelta | None = WINDOW


Take = Callable[[JobSearch, str, datetime], JobSearch]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the language: its name, an example, what it finds, how its value is read.

    `take` raises ValueError for a value that is none. Without `is_indexed` a search needs a short
    window or another field that has an index.
    """

    name: str
    example: str
    meaning: str
    take: Take
    is_indexed: bool = True
    may_repeat: bool = False


@dataclass(frozen=True, slots=True)
class _Term:
    """One term as written: where it begins (from 0) and ends, its field ("" for none), its value."""

    begin: int
    end: int
    text: str
    field: str
    value: str
    is_quoted: bool
    is_broken: bool


def parse(text: str, now: datetime) -> JobSearch:
    """Return what a search asks for; raises InvalidInputError that names all that is wrong."""
    if "\0" in text:
        raise InvalidInputError([Problem("q", "has a NUL character")])
    if len(text) > LONGEST:
        message = f"has {len(text)} characters: a search has {LONGEST} at most"
        raise InvalidInputError([Problem("q", message)])
    terms = list(_split(text))
    if len(terms) > MOST_TERMS:
        message = f"has {len(terms)} terms: a search has {MOST_TERMS} at most"
        raise InvalidInputError([Problem("q", message)])
    return _read(terms, now)


def with_since(text: str, value: str) -> str:
    """Return the search with another `since:`."""
    return with_term("".join(_without_since(text)).strip(), SINCE, value)


def with_term(text: str, name: str, value: str) -> str:
    """Return the search with one more term; an empty name adds a word."""
    plain = value and not re.search(r'[\s":]', value) and (name or not value.isdigit())
    shown = value if plain else '"' + value.replace('"', '""') + '"'
    return f"{text} {name}:{shown}".strip() if name else f"{text} {shown}".strip()


def _without_since(text: str) -> Iterator[str]:
    place = 0
    for term in _split(text):
        if term.field == SINCE:
            yield text[place : term.begin].rstrip()
            place = term.end
    yield text[place:]


def _split(text: str) -> Iterator[_Term]:
    for found in _WORD.finditer(text):
        if not found.group():
            continue
        name, quoted, bare = found.group("field", "quoted", "bare")
        yield _Term(
            begin=found.start(),
            end=found.end(),
            text=found.group(),
            field=_folded(name or ""),
            value=(quoted or "").replace('""', '"') if bare is None else bare,
            is_quoted=quoted is not None,
            is_broken=(name is not None and not name) or '"' in (found["odd"] or ""),
        )


def _folded(name: str) -> str:
    """Return the name in lower case but for the key of metadata, which is as written."""
    head, dot, key = name.partition(".")
    return head.lower() + dot + key


def _read(terms: list[_Term], now: datetime) -> JobSearch:
    search, problems, seen = JobSearch(), list[Problem](), set[str]()
    for term in terms:
        if not term.field and not term.is_broken:
            continue
        try:
            search = _take(search, term, seen, now)
        except ValueError as error:
            problems.append(_problem(term, str(error)))
    search = _with_words(search, [term for term in terms if not (term.field or term.is_broken)])
    problems += _conflicts(search, terms)
    if problems:
        raise InvalidInputError(problems)
    _require_index(search, seen, now)
    return search


def _take(search: JobSearch, term: _Term, seen: set[str], now: datetime) -> JobSearch:
    """Return the search with a term; raises ValueError for one that is wrong."""
    if term.is_broken:
        raise ValueError('is no term: write type:rk3399, name:"two words" or a word of the name')
    known = _field(term.field)
    if not term.value:
        raise ValueError(f"there is no value: write for instance {known.example}")
    if term.field in seen and not known.may_repeat:
        raise ValueError(f"{term.field}: is given twice")
    seen.add(term.field)
    if known.name == _META:
        pair = (term.field.removeprefix(METADATA), term.value)
        return _narrowed(search, replace(search.wanted, metadata=(*search.wanted.metadata, pair)))
    return known.take(search, term.value, now)


def _field(name: str) -> Field:
    if name.startswith(METADATA) and name > METADATA and len(name) <= LONGEST_NAME:
        return _BY_NAME[_META]
    found = _BY_NAME.get(name)
    if found is None or found.name == _META:
        near = get_close_matches(name, _BY_NAME, 1)
        hint = f" Did you mean {near[0]}:?" if near else ""
        raise ValueError(
            f"there is no field {name!r}.{hint} Known are {_listed(one.name for one in FIELDS)};"
            " what has a colon and is no field goes in quotes"
        )
    return found


def _with_words(search: JobSearch, words: list[_Term]) -> JobSearch:
    """Take words without a field: one number is a job's, all others are part of the name."""
    if not words:
        return search
    text = " ".join(term.value for term in words)
    if len(words) == 1 and text.isascii() and text.isdigit() and not words[0].is_quoted:
        return _narrowed(search, replace(search.wanted, id=min(int(text), LARGEST_ID)))
    return _narrowed(search, replace(search.wanted, name=text))


def _conflicts(search: JobSearch, terms: list[_Term]) -> Iterator[Problem]:
    """Yield what is wrong with terms that are right each by itself."""
    named = {term.field: term for term in terms}
    words = [term for term in terms if not (term.field or term.is_broken)]
    if "name" in named and words and not words[0].value.isdigit():
        yield _problem(words[0], "words without a field are looked for in names, as name: is")
    if "id" in named and words and search.wanted.name is None:
        yield _problem(words[0], "a number alone is that of a job, as id: is")
    if "error" in named and "infra" in named:
        yield _problem(named["infra"], "is error:infrastructure with a text: leave error: out")
    if "outcome" in named and search.wanted.is_of_unfinished:
        yield _problem(named["outcome"], "only jobs of state:finished have an outcome")
    since, until = search.wanted.since, search.wanted.until
    if since is not None and until is not None and until <= since:
        yield _problem(named["until"], "ends before since: begins")


def _require_index(search: JobSearch, seen: set[str], now: datetime) -> None:
    """Refuse a search for what no index finds among too many jobs."""
    wanted = search.wanted
    slow = [one for one in FIELDS if not one.is_indexed and getattr(wanted, one.name) is not None]
    finding = [name for name in seen if name not in _TIMES and _field(name).is_indexed]
    if not slow or finding or wanted.id is not None or _reach(search, now) <= WIDEST:
        return
    indexed = _listed(one.name for one in FIELDS if one.is_indexed and one.name not in _TIMES)
    raise InvalidInputError(
        [
            Problem(
                "q",
                f"{_listed(one.name for one in slow)} has no index, and is looked for among the jobs"
                f" of {WIDEST.days} days at most: add since:{WIDEST.days}d or less, or one of {indexed}",
            )
        ]
    )


def _reach(search: JobSearch, now: datetime) -> timedelta:
    """Return how long the time is from which jobs are wanted."""
    end = min(search.wanted.until or now, now)
    if search.wanted.since is not None:
        return end - search.wanted.since
    return timedelta.max if search.window is None else search.window


def _problem(term: _Term, message: str) -> Problem:
    shown = term.text if len(term.text) <= _SHOWN else f"{term.text[:_SHOWN]}…"
    return Problem("q", f"{shown!r} at character {term.begin + 1}: {message}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{name}:" for name in names)


def _narrowed(search: JobSearch, wanted: JobFilter) -> JobSearch:
    return replace(search, wanted=wanted)


def _take_id(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    return _narrowed(search, replace(search.wanted, id=_number(value, LARGEST_ID)))


def _take_type(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    return _narrowed(search, replace(search.wanted, device_type=value))


def _take_device(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    return _narrowed(search, replace(search.wanted, device=value))


def _take_host(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    return _narrowed(search, replace(search.wanted, host=value))


def _take_submitter(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    return _narrowed(search, replace(search.wanted, submitter=value))


def _take_state(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    states = _words(value, JobState)
    if JobState.FINISHED in states and len(states) > 1:
        message = "finished jobs and others are in different indexes: ask for either"
        raise ValueError(message)
    return _narrowed(search, replace(search.wanted, states=states))


def _take_outcome(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    return _narrowed(search, replace(search.wanted, outcomes=_words(value, Outcome)))


def _take_error(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    return _narrowed(search, replace(search.wanted, error_types=_words(value, ErrorType)))


def _take_infra(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    types = (ErrorType.INFRASTRUCTURE,)
    return _narrowed(search, replace(search.wanted, error_types=types, error_text=value))


def _take_tag(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    return _narrowed(search, replace(search.wanted, tags=(*search.wanted.tags, value)))


def _take_meta(search: JobSearch, _value: str, _now: datetime) -> JobSearch:
    return search


def _take_verdict(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    (verdict,) = _words(value, Verdict, most=1)
    return _narrowed(search, replace(search.wanted, verdict=verdict))


def _take_name(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    return _narrowed(search, replace(search.wanted, name=value))


def _take_priority(search: JobSearch, value: str, _now: datetime) -> JobSearch:
    return _narrowed(search, replace(search.wanted, priority=_number(value, 100)))


def _take_since(search: JobSearch, value: str, now: datetime) -> JobSearch:
    if value.lower() == ALL:
        return replace(search, window=None)
    return _narrowed(search, replace(search.wanted, since=_moment(value, now)))


def _take_until(search: JobSearch, value: str, now: datetime) -> JobSearch:
    return _narrowed(search, replace(search.wanted, until=_moment(value, now)))


def _number(value: str, largest: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= len(str(largest))):
        raise ValueError(f"is no number from 0 to {largest}")
    if int(value) > largest:
        raise ValueError(f"is no number from 0 to {largest}")
    return int(value)


def _words(value: str, kind: type[E], most: int = MOST_TERMS) -> tuple[E, ...]:
    """Return the members of an enumeration that a list with commas names, in any case."""
    known = {member.value.lower(): member for member in kind}
    words = [word.strip().lower() for word in value.split(",")]
    unknown = [word for word in words if word not in known]
    if unknown:
        told = ", ".join(repr(word) for word in unknown)
        raise ValueError(f"{told} is none of {', '.join(known)}")
    if len(words) > most:
        raise ValueError("takes one value")
    return tuple(dict.fromkeys(known[word] for word in words))


def _moment(value: str, now: datetime) -> datetime:
    """Return a moment: so long ago, or a date with or without a time (UTC without a zone)."""
    found = _DURATION.fullmatch(value.lower())
    if found:
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or not _EARLIEST <= moment.year <= _LATEST:
        raise ValueError(
            f"is no time: write so many {', '.join(_UNITS)} ago, as in 90min or 14d, a day as"
            " 2026-11-20, or a moment as 2026-11-20T09:30"
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_META = "meta.KEY"
_SHOWN = 60
_TIMES = (SINCE, "until")
FIELDS: tuple[Field, ...] = (
    Field("type", "type:rk3399", "of this device type", _take_type),
    Field("device", "device:board-1", "that ran on this device", _take_device),
    Field("host", "host:rack-1", "whose latest run was on this host", _take_host),
    Field("submitter", "submitter:me", "of this user; me is you", _take_submitter),
    Field(
        "state",
        "state:scheduled,running",
        "in one of these states; of all times unless finished",
        _take_state,
    ),
    Field("outcome", "outcome:incomplete", "that ended in one of these ways", _take_outcome),
    Field("error", "error:infrastructure,bug", "that failed for one of these reasons", _take_error),
    Field(
        "infra",
        "infra:power",
        "that failed for want of infrastructure, with this text in the error",
        _take_infra,
    ),
    Field("tag", "tag:usb", "that ask for a device with this tag", _take_tag, may_repeat=True),
    Field(
        _META,
        "meta.build:1234",
        "with this value of the definition's metadata, the whole of it",
        _take_meta,
        may_repeat=True,
    ),
    Field("id", "id:1234", "of this number; as 1234 alone", _take_id),
    Field(SINCE, "since:14d", "submitted so long ago or since then; since:all", _take_since),
    Field("until", "until:2026-11-20", "submitted before", _take_until),
    Field(
        "verdict",
        "verdict:fail",
        "with a test case of this verdict",
        _take_verdict,
        is_indexed=False,
    ),
    Field(
        "name",
        'name:"boot test"',
        "with this text in the name; as the words alone",
        _take_name,
        is_indexed=False,
    ),
    Field("priority", "priority:50", "of this priority", _take_priority, is_indexed=False),
)
_BY_NAME = {one.name: one for one in FIELDS}
