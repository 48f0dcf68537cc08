"""What LAVA's precise check asks of a job, without its blocks. Unknown keys pass when it is lax."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labq.actions.values import Level, timeout_problem
from labq.jobdef.schema import (
    Check,
    Finding,
    any_mapping,
    anything,
    boolean,
    either,
    every,
    exclusive,
    integer,
    list_of,
    mapping_of,
    name_type,
    one_of,
    passes,
    record,
    text,
)
from labq.jobdef.source import Path
from labq.jobdef.submission import context

KINDS = ("boot", "command", "deploy", "test")
_string = text()
_name = text(1, 200)


def job_check(level: Level) -> Check:
    """Return the check of a whole job at `level`."""
    return _Schema(level).job()


class _Schema:
    """The parts of a job at one level."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._is_open = level is Level.LAX

    def job(self) -> Check:
        return self._record(
            {
                "job_name": _name,
                "timeouts": self._timeouts(),
                "visibility": self._visibility,
                "actions": list_of(self._action),
            },
            {
                "device_type": _name,
                "device": _name,
                "worker": _name,
                "context": context,
                "metadata": self._labelled(anything),
                "priority": _priority,
                "tags": list_of(_string),
                "secrets": self._labelled(_string),
                "environment": any_mapping,
                "protocols": self._protocols(),
                "notify": self._notify(),
                "reboot_to_fastboot": boolean,
            },
        )

    def _record(self, required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
        return record(required, optional, extra=self._is_open)

    def _labelled(self, values: Check) -> Check:
        """Accept a mapping from strings; other keys are unknown ones, which pass when lax."""
        if not self._is_open:
            return mapping_of(_string, values)

        def check(value: object, path: Path) -> Iterator[Finding]:
            yield from any_mapping(value, path)
            if isinstance(value, dict):
                for key, entry in value.items():
                    if passes(_string, key):
                        yield from values(entry, (*path, key))

        return check

    def _timeout(self, value: object, path: Path) -> Iterator[Finding]:
        problem = timeout_problem(value, self._level)
        if problem:
            yield path, problem

    def _timeouts(self) -> Check:
        named = self._labelled(self._timeout)
        return self._record(
            {"job": self._timeout},
            {
                "action": self._timeout,
                "actions": named,
                "connection": self._timeout,
                "connections": named,
                "queue": self._timeout,
            },
        )

    def _visibility(self, value: object, path: Path) -> Iterator[Finding]:
        if isinstance(value, dict):
            yield from self._record({}, {"group": list_of(_string)})(value, path)
        else:
            yield from one_of("public", "personal")(value, path)

    def _action(self, value: object, path: Path) -> Iterator[Finding]:
        yield from self._record({}, dict.fromkeys(KINDS, any_mapping))(value, path)

    def _protocols(self) -> Check:
        multinode = self._record({"roles": self._labelled(self._role)}, {"timeout": self._timeout})
        port = either("must be auto or an integer", one_of("auto"), integer)
        xnbd = self._record({"port": port}, {"timeout": self._timeout})
        return self._record({}, {"lava-multinode": multinode, "lava-xnbd": xnbd})

    def _role(self, value: object, path: Path) -> Iterator[Finding]:
        """Accept a role with devices or one with a connection; tell what is wrong with the likelier."""
        both: dict[str, Check] = {
            "context": context,
            "tags": list_of(_string),
            "essential": boolean,
            "timeout": self._timeout,
        }
        of_device = self._record(
            {"device_type": _string, "count": _count},
            {**both, "device": _string, "worker": _string, "environment": any_mapping},
        )
        of_connection = self._record(
            {"connection": _string, "count": _count, "expect_role": _string, "host_role": _string},
            {**both, "request": _string},
        )
        connects = isinstance(value, dict) and "connection" in value
        yield from (of_connection if connects and not passes(of_device, value) else of_device)(
            value, path
        )

    def _notify(self) -> Check:
        callback = self._record(
            {"url": _string},
            {
                "method": one_of("GET", "POST"),
                "token": _string,
                "header": _string,
                "dataset": one_of("minimal", "logs", "results", "all"),
                "content-type": one_of("json", "urlencoded"),
            },
        )
        keys = self._record(
            {"criteria": self._criteria},
            {
                "verbosity": one_of("verbose", "quiet", "status-only"),
                "recipients": list_of(self._recipient()),
                "callback": callback,
                "callbacks": list_of(callback),
                "compare": self._compare(),
            },
        )
        return every(exclusive(("callback", "callbacks")), keys)

    def _recipient(self) -> Check:
        known = dict.fromkeys(("user", "email", "handle", "server"), _string)
        to = self._record({"method": one_of("email", "irc")}, known)
        return self._record({"to": to}, {})

    def _compare(self) -> Check:
        query = either(
            "must be {username, name} or {entity, conditions}",
            self._record({"username": _string, "name": _string}, {}),
            self._record({"entity": _string}, {"conditions": self._labelled(_string)}),
        )
        return self._record({}, {"blacklist": list_of(_string), "query": query})

    def _criteria(self, value: object, path: Path) -> Iterator[Finding]:
        """Accept one of three forms: `all`; a status and a query; a final status and its change."""
        final = ("complete", "incomplete")
        status = one_of("finished", "running", "canceled", *final)
        change = {"type": one_of("regression", "progression")}
        forms = (
            self._record({"status": one_of("all")}, {}),
            self._record({"status": status}, {"dependency_query": _string}),
            self._record({"status": one_of(*final)}, change),
        )
        if any(passes(form, value) for form in forms):
            return
        known = self._record(
            {"status": either("must be a status", one_of("all"), status)},
            {"dependency_query": _string, **change},
        )
        if passes(known, value):
            yield path, "'type' is for complete and incomplete, and not beside 'dependency_query'"
        else:
            yield from known(value, path)


def _priority(value: object, path: Path) -> Iterator[Finding]:
    if isinstance(value, int | float):
        if not 0 <= value <= 100:
            yield path, "must be from 0 to 100"
    else:
        yield from one_of("high", "medium", "low")(value, path)


def _count(value: object, path: Path) -> Iterator[Finding]:
    if not isinstance(value, int | float):
        yield path, f"must be a number, not {name_type(value)}"
    elif not value >= 0:
        yield path, "must be at least 0"
