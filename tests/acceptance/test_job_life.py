"""A job's life by the API: submitted, followed, canceled, sent again, repeated."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import Lab
from tests.acceptance.outcomes import case, complete, free, incomplete, messages, verdicts
from tests.lab.client import Client
from tests.lab.devices import PROMPT, shell_boot, shell_job
from tests.lab.jobs import boot, definition, interactive, say, wait_for_file
from tests.lab.live import follow
from tests.lab.waiting import until

MANY_TAGS = 4


def held(release: Path, **keys: Any) -> str:
    """Return a job whose test ends when the file appears."""
    return shell_job(say(wait_for_file(release), "held"), **keys)


def test_a_light_job_goes_through_all_its_steps(client: Client) -> None:
    job = complete(client, client.run(shell_job(say("echo hello", "greeting"))))
    steps = job["runs"][0]["steps"]
    assert [step["kind"] for step in steps] == ["boot", "test", "collect"]
    assert {step["state"] for step in steps} == {"done"}
    moments = [datetime.fromisoformat(step["began_at"]) for step in steps]
    assert moments == sorted(moments)
    assert verdicts(client, job, "0_session") == {"greeting": "pass"}
    lava = verdicts(client, job, "lava")
    assert lava["0_session"] == lava["job"] == lava["login-action"] == "pass"
    assert "hello" in messages(client, job, "target")


def test_a_failed_case_leaves_the_job_complete(client: Client) -> None:
    wanted = [{"message": "never printed"}]
    job = client.run(shell_job(say("echo other", "wrong", successes=wanted)))
    complete(client, job)
    assert verdicts(client, job, "0_session") == {"wrong": "fail"}


def test_an_unknown_method_ends_the_job_by_its_name(client: Client) -> None:
    job = client.run(definition("shell", boot("depthcharge", commands="nfs")))
    assert "depthcharge" in incomplete(client, job, "Job")


def test_a_running_job_is_canceled(client: Client, tmp_path: Path) -> None:
    number = client.submit(held(tmp_path / "never"))
    client.wait_for(number, "running")
    assert client.post(f"/jobs/{number}/cancel").status == 200
    job = client.finish(number)
    assert job["outcome"] == "canceled"
    assert job["error"]["type"] == "Canceled"
    assert job["runs"][0]["steps"][-1]["state"] == "done"
    free(client, job)


def test_a_waiting_job_is_canceled_without_a_run(client: Client, tmp_path: Path) -> None:
    release = tmp_path / "release"
    busy = [client.submit(held(release)) for _ in range(MANY_TAGS)]
    for number in busy:
        client.wait_for(number, "running")
    waiting = client.submit(shell_job(say("true")))
    client.post(f"/jobs/{waiting}/cancel")
    job = client.job(waiting)
    assert (job["state"], job["outcome"], job["runs"]) == ("finished", "canceled", [])
    release.touch()
    for number in busy:
        complete(client, client.finish(number))


def test_many_jobs_are_canceled_at_once(client: Client, tmp_path: Path) -> None:
    numbers = [client.submit(held(tmp_path / "never")) for _ in range(2)]
    client.post("/jobs/cancel", {"ids": numbers})
    for number in numbers:
        assert client.finish(number)["outcome"] == "canceled"


def test_a_job_sent_again_is_a_new_one_with_the_same_text(client: Client) -> None:
    text = shell_job(say("echo once", "once"), name="again")
    first = complete(client, client.run(text))
    answer = client.post(f"/jobs/{first['id']}/resubmit")
    assert answer.status == 201, answer.text
    second = complete(client, client.finish(answer.json["id"]))
    assert second["id"] != first["id"]
    assert second["resubmit_of"] == first["id"]
    assert client.get(f"/jobs/{second['id']}/definition").text == text


def test_a_block_that_fails_is_tried_again(client: Client, tmp_path: Path) -> None:
    marks = tmp_path / "tries"
    script = f"echo x >> {marks}; test $(wc -l < {marks}) -ge 3 && echo third-time"
    test = interactive(
        say(script, successes=[{"message": "\nthird-time"}]), prompts=[PROMPT], failure_retry=4
    )
    complete(client, client.run(definition("shell", shell_boot(), test)))
    assert marks.read_text() == "x\nx\nx\n"


def test_a_block_is_repeated_as_often_as_asked(client: Client, tmp_path: Path) -> None:
    marks = tmp_path / "repeats"
    test = interactive(say(f"echo x >> {marks}"), prompts=[PROMPT], repeat=3)
    complete(client, client.run(definition("shell", shell_boot(), test)))
    assert marks.read_text() == "x\nx\nx\n"


def test_namespaces_count_their_suites_each_for_themselves(client: Client) -> None:
    def block(namespace: str) -> dict[str, object]:
        test = interactive(say("true", namespace), prompts=[PROMPT], namespace=namespace)
        return dict(test)

    job = client.run(
        definition(
            "shell",
            shell_boot(namespace="one"),
            block("one"),
            shell_boot(namespace="two"),
            block("two"),
        )
    )
    complete(client, job)
    suites = [case["suite"] for case in client.results(job["id"]) if case["suite"] != "lava"]
    assert suites == ["0_session", "0_session"]


def test_a_job_times_out_as_a_whole(client: Client) -> None:
    text = shell_job(say("sleep 600", "long"), timeouts={"job": {"seconds": 4}})
    job = client.run(text)
    assert job["outcome"] == "incomplete"
    assert "timed out" in job["error"]["message"]
    free(client, job)


def test_the_log_is_read_by_offset_while_it_grows(client: Client, tmp_path: Path) -> None:
    release = tmp_path / "release"
    number = client.submit(
        shell_job(say("echo first-half"), say(wait_for_file(release)), say("echo second-half"))
    )
    until(lambda: b'"msg": "first-half"' in client.stored(number), "the first half is stored")
    first = client.get(f"/jobs/{number}/log", offset=0).body
    assert b'"msg": "second-half"' not in first
    release.touch()
    complete(client, client.finish(number))
    whole = client.log(number)
    rest = client.get(f"/jobs/{number}/log", offset=len(first)).body
    assert first + rest == whole
    assert b'"msg": "second-half"' in rest
    assert client.job(number)["runs"][0]["log_bytes"] == len(whole)


def test_the_live_log_tells_every_line_once(client: Client, lab: Lab, tmp_path: Path) -> None:
    release = tmp_path / "release"
    number = client.submit(
        shell_job(say("echo line-1"), say(wait_for_file(release)), say("echo line-2"))
    )
    seen = []
    for _, message in follow(lab.server, number):
        seen.append(message)
        if message == "line-1":
            release.touch()
    complete(client, client.finish(number))
    stored = [line["msg"] for line in client.lines(number)]
    assert seen == stored


def test_jobs_are_found_by_their_filters(client: Client) -> None:
    name = f"filtered-{time.monotonic_ns()}"
    job = complete(client, client.run(shell_job(say("true"), name=name)))
    found = client.get("/jobs", name=name, state="finished", outcome="complete").json
    assert [row["id"] for row in found["items"]] == [job["id"]]
    assert client.get("/jobs", name=name, outcome="canceled").json["items"] == []


def test_pages_of_the_list_follow_each_other(client: Client) -> None:
    for _ in range(3):
        complete(client, client.run(shell_job(say("true"))))
    first = client.get("/jobs", limit=2).json
    second = client.get("/jobs", limit=2, after=first["next"]).json
    numbers = [row["id"] for row in first["items"] + second["items"]]
    assert numbers == sorted(set(numbers), reverse=True)


def test_a_personal_job_is_hidden_from_strangers(client: Client, stranger: Client) -> None:
    hidden = client.run(shell_job(say("true"), visibility="personal"))
    public = client.run(shell_job(say("true")))
    assert stranger.get(f"/jobs/{hidden['id']}").status == 404
    assert stranger.get(f"/jobs/{hidden['id']}/log").status == 404
    assert stranger.get(f"/jobs/{public['id']}").status == 200


def test_the_case_job_carries_the_outcome(client: Client) -> None:
    job = client.run(shell_job(say("exit", "gone")))
    message = incomplete(client, job, "Infrastructure")
    metadata = case(client, job, "lava", "job")["metadata"]
    assert metadata["error_type"] == "Infrastructure"
    assert metadata["error_msg"] == message
