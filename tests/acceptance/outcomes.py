"""What a job that went wrong must look like, and that its device is free again."""

from __future__ import annotations

from typing import Any

from tests.lab.client import Client
from tests.lab.waiting import until

Job = dict[str, Any]


def incomplete(client: Client, job: Job, error_type: str) -> str:
    """Check that the job ended incomplete by this error; return the error's message."""
    assert job["outcome"] == "incomplete", job
    assert job["error"]["type"] == error_type, job["error"]
    assert job["error"]["message"], job
    free(client, job)
    return str(job["error"]["message"])


def complete(client: Client, job: Job) -> Job:
    """Check that the job is complete and return it."""
    assert job["outcome"] == "complete", (job["error"], tail(client, job))
    free(client, job)
    return job


def free(client: Client, job: Job) -> None:
    """Check that the device of a job is idle again or works for the next one; it may have none."""
    if job["device"] is None:
        return
    until(lambda: client.device(job["device"])["job"] != job["id"], "the device is free", 20)


def tail(client: Client, job: Job) -> str:
    """Return the last lines of the job's log, for a failing test's message."""
    return client.log(job["id"])[-3000:].decode(errors="replace")


def verdicts(client: Client, job: Job, suite: str) -> dict[str, str]:
    """Return the verdict of each case of a suite."""
    return {
        case["name"]: case["result"] for case in client.results(job["id"]) if case["suite"] == suite
    }


def case(client: Client, job: Job, suite: str, name: str) -> dict[str, Any]:
    """Return the one case of this name in a suite."""
    found = [
        case for case in client.results(job["id"]) if (case["suite"], case["name"]) == (suite, name)
    ]
    assert len(found) == 1, found
    return found[0]


def messages(client: Client, job: Job, level: str) -> list[Any]:
    """Return the messages of one level in the job's log."""
    return [line["msg"] for line in client.lines(job["id"]) if line["lvl"] == level]
