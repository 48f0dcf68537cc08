"""Job definitions: text -> JobSpec, with every problem of the text at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labq.domain.errors import InvalidInputError, Problem
from labq.jobdef import durations, source, submission
from labq.jobdef.schema import Finding
from labq.jobdef.source import Document
from labq.jobdef.spec import (
    DEFAULT_PRIORITY,
    ActionBlock,
    Audience,
    JobSpec,
    JobTimeouts,
    Visibility,
)

MAX_PROBLEMS = 100


def parse_job(text: bytes | str) -> JobSpec:
    """Parse a job definition that is to become a job.

    Raises InvalidInputError with all problems, in the order of the text, at most MAX_PROBLEMS.
    """
    document = source.read(text)
    job = _checked(document)
    problems = [document.problem(*finding) for finding in _creation_findings(job)]
    if problems:
        raise InvalidInputError(problems)
    return _spec(job, document)


def parse_stored(text: bytes | str) -> JobSpec:
    """Parse the definition of a job that was taken: also that of a member of a group."""
    document = source.read(text)
    job = document.value
    protocols = job.get("protocols") if isinstance(job, dict) else None
    protocol = protocols.get("lava-multinode") if isinstance(protocols, dict) else None
    if isinstance(job, dict) and isinstance(protocol, dict) and "target_group" in protocol:
        return _spec(job, document)
    return parse_job(text)


def check_submission(text: bytes | str) -> list[Problem]:
    """Return what LAVA's submission schema finds wrong with a definition; empty: it is accepted.

    `parse_job` asks for a little more: what LAVA refuses when it creates the job.
    """
    try:
        _checked(source.read(text))
    except InvalidInputError as error:
        return error.problems
    return []


def _checked(document: Document) -> dict[str, object]:
    problems: list[Problem] = []
    for finding in submission.JOB(document.value, ()):
        problems.append(document.problem(*finding))
        if len(problems) >= MAX_PROBLEMS:
            break
    if not isinstance(document.value, dict) or problems:
        raise InvalidInputError(sorted(problems, key=lambda problem: problem.line or 0))
    return document.value


def _creation_findings(job: Mapping[str, object]) -> Iterator[Finding]:
    priority = job.get("priority", DEFAULT_PRIORITY)
    if isinstance(priority, int) and not 0 <= priority <= 100:
        yield ("priority",), "must be low, medium, high or 0 to 100"
    visibility = job["visibility"]
    if isinstance(visibility, dict) and not visibility.get("group"):
        yield ("visibility",), "must name at least one group"
    if _is_multinode(job):
        yield from _roleless(job)
    elif "device_type" not in job:
        yield (), "needs the key 'device_type'"


def _is_multinode(job: Mapping[str, object]) -> bool:
    protocols = job.get("protocols")
    return isinstance(protocols, dict) and "lava-multinode" in protocols


def _roleless(job: Mapping[str, object]) -> Iterator[Finding]:
    for index, kind, block in _blocks(job):
        if "role" not in block:
            yield ("actions", index, kind), "needs the key 'role' in a multinode job"


def _blocks(job: Mapping[str, object]) -> Iterator[tuple[int, str, dict[str, object]]]:
    actions = job["actions"]
    for index, item in enumerate(actions if isinstance(actions, list) else []):
        for kind, block in item.items():
            yield index, kind, block


def _spec(job: Mapping[str, object], document: Document) -> JobSpec:
    return JobSpec(
        name=str(job["job_name"]),
        device_type=str(job.get("device_type", "")),
        device=_optional_text(job.get("device")),
        worker=_optional_text(job.get("worker")),
        timeouts=_timeouts(_mapping(job["timeouts"])),
        visibility=_visibility(job["visibility"]),
        priority=_priority(job.get("priority", DEFAULT_PRIORITY)),
        context=_mapping(job.get("context")),
        metadata={key: _text_leaves(value) for key, value in _mapping(job.get("metadata")).items()},
        tags=_texts(job.get("tags")),
        secrets={key: str(value) for key, value in _mapping(job.get("secrets")).items()},
        environment={key: str(value) for key, value in _mapping(job.get("environment")).items()},
        notify=_mapping(job.get("notify")),
        protocols=_mapping(job.get("protocols")),
        actions=tuple(_action(document, *block) for block in _blocks(job)),
    )


def _action(document: Document, index: int, kind: str, block: object) -> ActionBlock:
    path = ("actions", index, kind)
    return ActionBlock(
        kind=kind,
        position=index + 1,
        parameters=_mapping(block),
        path=source.describe_path(path),
        line=document.line(path),
    )


def _timeouts(value: Mapping[str, object]) -> JobTimeouts:
    queue = value.get("queue")
    return JobTimeouts(
        job=durations.to_seconds(value["job"]),
        action=durations.to_seconds(value.get("action")),
        connection=durations.to_seconds(value.get("connection")),
        queue=None if queue is None else durations.to_seconds(queue),
        actions=durations.named(value.get("actions")),
        connections=durations.named(value.get("connections")),
    )


def _visibility(value: object) -> Visibility:
    if isinstance(value, dict):
        return Visibility(audience=Audience.GROUP, groups=_texts(value.get("group")))
    return Visibility(audience=Audience(str(value)))


def _priority(value: object) -> int:
    return int(value) if isinstance(value, int) else submission.PRIORITIES[str(value)]


def _optional_text(value: object) -> str | None:
    return None if value is None else str(value)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _mapping(value: object) -> dict[str, object]:
    plain = to_json(value)
    return plain if isinstance(plain, dict) else {}


def to_json(value: object) -> object:
    """Return a copy of JSON values only: keys and odd scalars become strings."""
    if isinstance(value, dict):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [to_json(entry) for entry in value]
    return str(value) if isinstance(value, str) else value


def _text_leaves(value: object) -> object:
    if isinstance(value, dict):
        return {key: _text_leaves(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_text_leaves(entry) for entry in value]
    return str(value)
