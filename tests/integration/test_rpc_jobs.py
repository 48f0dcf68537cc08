"""Jobs over XML-RPC: fields and types, lists, logs, changes, faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from labq.blobs import Logs
from labq.config import Settings
from labq.domain.errors import ErrorType
from labq.domain.states import JobState, Outcome
from labq.services import job_newest
from tests.integration.rpc_client import Rpc
from tests.integration.test_api_jobs import MINIMAL
from tests.integration.web_site import DEFINITION, START, Person, Site

NAIVE = START.replace(tzinfo=None)
LINES = [f'- {{"dt": "2026-01-01T00:00:00", "lvl": "info", "msg": "line {n}"}}' for n in range(5)]
GROUP = """
job_name: two together
timeouts: {job: {minutes: 5}}
priority: medium
visibility: public
protocols: {lava-multinode: {roles: {one: {device_type: shell, count: 1}, other: {device_type: shell, count: 1}}}}
actions:
- deploy: {role: [one, other], to: tmpfs, images: {rootfs: {url: "http://localhost/rootfs"}}}
"""


@pytest.fixture
def call(site: Site, ann: Person) -> Rpc:
    """Return what calls as ann."""
    return Rpc(site, ann)


def test_a_job_is_shown_with_lavas_fields_and_types(site: Site, ann: Person, call: Rpc) -> None:
    job, _ = site.finished_job(ann, site.device())
    shown = call("scheduler.jobs.show", job)
    times = {name: shown.pop(f"{name}_time") for name in ("submit", "start", "end")}
    assert shown == {
        "id": job,
        "description": "smoke",
        "device": "board-1",
        "device_type": "shell",
        "health_check": False,
        "pipeline": True,
        "health": "Complete",
        "state": "Finished",
        "submitter": "ann",
        "tags": [],
        "visibility": "Public",
        "failure_comment": None,
        "error_msg": None,
        "error_type": None,
    }
    assert times == {
        "submit": NAIVE,
        "start": NAIVE + timedelta(seconds=2),
        "end": NAIVE + timedelta(seconds=12),
    }
    assert call("scheduler.jobs.show", str(job))["id"] == job
    details = call("scheduler.job_details", job)
    assert (details["status"], details["sub_id"], details["priority"]) == ("Complete", "", 50)
    assert (details["definition"], details["multinode_definition"]) == (DEFINITION, "")
    assert call("scheduler.job_state", job) == {"job_id": job, "job_state": "Finished"}
    assert call("scheduler.job_health", job) == {"job_id": job, "job_health": "Complete"}


def test_who_may_see_a_job_is_told_in_words(site: Site, ann: Person, call: Rpc) -> None:
    groups = [site.group(name, ann) for name in ("testers", "builders")]
    shown = [
        call("scheduler.jobs.show", site.job(ann, viewing_groups=seen))["visibility"]
        for seen in (None, (), groups)
    ]
    assert shown == ["Public", "Personal", "Group (builders, testers)"]


def test_a_list_is_the_newest_first_and_filtered_by_words_in_any_case(
    site: Site, ann: Person, call: Rpc
) -> None:
    waiting = [site.job(ann) for _ in range(3)]
    now = datetime.now(UTC)
    ended = {
        outcome: site.job(
            ann,
            state=JobState.FINISHED,
            outcome=outcome,
            started_at=now - timedelta(minutes=20),
            ended_at=now - timedelta(minutes=2 * minutes),
            error_type=ErrorType.JOB,
            error_message="no \x07 bell",
        )
        for minutes, outcome in enumerate(Outcome, start=5)
    }
    running = site.job(ann, state=JobState.RUNNING, started_at=now - timedelta(minutes=30))

    def ids(*arguments: Any) -> list[int]:
        return [job["id"] for job in call("scheduler.jobs.list", *arguments)]

    newest = [running, *reversed(ended.values()), *reversed(waiting)]
    assert ids() == newest
    assert ids(None, None, 2, 3) == newest[2:5]
    assert ids(None, None, 100) == []
    assert ids("submitted") == ids("SUBMITTED", "unknown") == waiting[::-1]
    assert ids(None, "COMPLETE") == ids("FINISHED", "Complete") == [ended[Outcome.COMPLETE]]
    assert ids(None, "UNKNOWN") == [running, *waiting[::-1]]
    assert ids("SCHEDULING") == ids("RUNNING", "CANCELED") == ids("FINISHED", "UNKNOWN") == []
    assert ids(None, None, 0, 25, 13) == [ended[Outcome.INCOMPLETE], ended[Outcome.COMPLETE]]
    assert ids(None, "INCOMPLETE", 0, 25, 60) == [ended[Outcome.INCOMPLETE]]
    assert ids("RUNNING", None, 0, 100, None, False, 20) == [running]
    assert ids("RUNNING", None, 0, 100, None, False, 40) == []
    (job,) = call("scheduler.jobs.list", None, "INCOMPLETE", 0, 1, 0, True)
    assert set(job) == {
        *("id", "description", "device_type", "health", "state", "submitter"),
        *("actual_device", "start_time", "end_time", "error_msg", "error_type"),
    }
    assert (job["error_type"], job["error_msg"]) == ("Job", "no \ufffd bell")
    assert job["end_time"].endswith("+00:00")
    for arguments in (("NOPE",), (None, "NOPE")):
        assert call.fault("scheduler.jobs.list", *arguments).faultCode == 400
    assert [job[0] for job in call("scheduler.all_jobs")] == [running, *waiting[::-1]]


def test_the_last_page_of_a_long_list_is_found_by_counts(
    site: Site, ann: Person, call: Rpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [site.job(ann) for _ in range(6)]
    finished = [
        site.job(ann, state=JobState.FINISHED, outcome=Outcome.COMPLETE, ended_at=START)
        for _ in range(3)
    ]
    site.change("UPDATE count_delta SET waiting = waiting WHERE audience_id IS NOT NULL")
    monkeypatch.setattr(job_newest, "WALKED", 1)
    found = [job["id"] for job in call("scheduler.jobs.list", "SUBMITTED", None, 3, 25)]
    assert found == jobs[::-1][3:]
    assert call("scheduler.jobs.list", None, None, 100, 5) == []
    assert finished


def test_the_queue_is_asked_for_by_device_types(site: Site, ann: Person, call: Rpc) -> None:
    one, other = site.job(ann), site.job(ann, device_type="qemu")
    queued = call("scheduler.jobs.queue", None, 0, 10)
    assert [job["id"] for job in queued] == [other, one]
    assert call("scheduler.jobs.queue", ["qemu", "none"]) == [
        {
            "id": other,
            "description": "smoke",
            "requested_device_type": "qemu",
            "submitter": "ann",
        }
    ]
    assert call("scheduler.jobs.queue", ["none"]) == []


def test_a_log_is_read_by_lines_until_it_is_over(
    site: Site, ann: Person, call: Rpc, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, run = site.finished_job(ann, site.device())
    assert call("scheduler.jobs.logs", job) == [True, b"[]"]
    assert call.fault("scheduler.job_output", job).faultCode == 404
    text = "".join(f"{line}\n" for line in LINES).encode()
    writer = Logs(settings.blobs).writer(run)
    writer.write(0, text, 0)
    writer.close()
    site.log(run, len(text), len(LINES))
    assert call("scheduler.jobs.logs", job) == [True, text]
    assert call("scheduler.jobs.logs", job, 1, 3) == [True, "\n".join(LINES[1:3]).encode() + b"\n"]
    assert call("scheduler.jobs.logs", job, 5) == [True, b"[]"]
    assert call("scheduler.job_output", job, 10) == text[10:]
    monkeypatch.setattr("labq.web.lava.rpc.job_log.MOST_BYTES", 1)
    monkeypatch.setattr("labq.web.lava.rpc.job_log._AT_ONCE", 2)
    is_over, part = call("scheduler.jobs.logs", job)
    assert (is_over, part.count(b"\n")) == (False, 2)
    assert call("scheduler.jobs.logs", job, 4)[0] is True


def test_a_job_is_submitted_canceled_and_submitted_again(site: Site, call: Rpc) -> None:
    site.device()
    job = call("scheduler.jobs.submit", MINIMAL)
    assert isinstance(job, int)
    assert call("scheduler.jobs.definition", job) == MINIMAL
    assert call.fault("scheduler.jobs.configuration", job).faultCode == 404
    assert call("scheduler.cancel_job", str(job)) is True
    assert call("scheduler.jobs.cancel", job) is True
    assert call("scheduler.jobs.show", job)["health"] == "Canceled"
    again = call("scheduler.jobs.resubmit", job)
    assert call("scheduler.jobs.definition", again) == MINIMAL


def test_a_group_of_jobs_has_ids_with_a_dot(site: Site, call: Rpc) -> None:
    site.device()
    site.device("board-2")
    ids = call("scheduler.submit_job", GROUP)
    first = ids[0].partition(".")[0]
    assert ids == [f"{first}.0", f"{first}.1"]
    assert call("scheduler.jobs.show", ids[1])["id"] == ids[1]
    assert call("scheduler.jobs.definition", ids[1]) == GROUP
    assert [job["id"] for job in call("scheduler.jobs.queue", None)] == ids[::-1]
    details = call("scheduler.job_details", ids[0])
    assert (details["id"], details["sub_id"]) == (int(first), ids[0])
    assert details["multinode_definition"] == GROUP
    assert details["target_group"]
    assert len(call("scheduler.jobs.resubmit", ids[1])) == 2
    assert call("scheduler.jobs.cancel", ids[1]) is True


def test_a_definition_that_is_refused_is_a_fault_400_with_its_problems(
    site: Site, call: Rpc
) -> None:
    site.device()
    for text in ("a: [b", "job_name: x", MINIMAL.replace("shell", "none")):
        fault = call.fault("scheduler.jobs.submit", text)
        assert fault.faultCode == 400
        assert fault.faultString.startswith("Problem with submitted job data: ")
    assert call("scheduler.validate_yaml", MINIMAL) is None
    assert call.fault("scheduler.validate_yaml", "job_name: x").faultCode == 400
    assert call("scheduler.jobs.validate", MINIMAL) == {}
    wrong = call("scheduler.jobs.validate", MINIMAL.replace("minutes: 5", "minutes: 0"), False)
    assert set(wrong) == {"path", "msg"}
    assert wrong["path"].startswith("['timeouts', 'job'")


@pytest.mark.parametrize("job", [0, -1, "1000000000000000", "", "x", "1.2", "1.2.3", "' OR 1=1"])
def test_an_id_that_is_no_job_is_404_wherever_it_is_asked_for(call: Rpc, job: int | str) -> None:
    for method in ("show", "definition", "logs", "configuration"):
        assert call.fault(f"scheduler.jobs.{method}", job).faultCode == 404
    assert call.fault("scheduler.jobs.cancel", job).faultCode in {400, 404}


def test_results_are_texts_in_yaml_and_csv(site: Site, ann: Person, call: Rpc) -> None:
    job, _ = site.finished_job(ann, site.device())
    cases = yaml.safe_load(call("results.get_testjob_results_yaml", job))
    assert [case["name"] for case in cases] == ["first", "second"]
    assert cases[0]["measurement"] == "None"
    assert all(isinstance(cases[0][key], str) for key in cases[0] if key != "metadata")
    assert isinstance(cases[0]["metadata"], dict)
    (suite,) = yaml.safe_load(call("results.get_testjob_suites_list_yaml", job))
    assert (suite["name"], suite["job"]) == ("0_smoke", str(job))
    page = call("results.get_testsuite_results_yaml", job, "0_smoke", 500, 1)
    assert [case["name"] for case in yaml.safe_load(page)] == ["second"]
    assert yaml.safe_load(call("results.get_testsuite_results_yaml", job, "0_smoke", 500, 2)) == []
    (case,) = yaml.safe_load(call("results.get_testcase_results_yaml", job, "0_smoke", "second"))
    assert case["result"] == "fail"
    assert call("results.get_testsuite_results_count", job, "0_smoke") == 2
    assert call("results.get_testjob_results_csv", job).count("\r\n") == 3
    assert '"0_smoke"' in call("results.get_testjob_suites_list_csv", job)
    assert call("results.get_testjob_metadata", job) == []
    assert call.fault("results.get_testsuite_results_yaml", job, "none").faultCode == 404
    assert call.fault("results.get_testcase_results_yaml", job, "0_smoke", "x").faultCode == 404
    assert call.fault("results.get_testjob_results_yaml", 999).faultCode == 404
    assert call.fault("results.run_query", "mine").faultCode == 404


def test_jobs_that_ended_are_found_by_device_and_type(site: Site, ann: Person, call: Rpc) -> None:
    job, _ = site.finished_job(ann, site.device())
    site.job(ann)
    expected = [{"id": job, "description": "smoke", "status": "Complete", "device": "board-1"}]
    assert call("scheduler.get_recent_jobs_for_device", "board-1") == expected
    assert call("scheduler.get_recent_jobs_for_device_type", "shell", 5, True) == expected
    assert call.fault("scheduler.get_recent_jobs_for_device", "none").faultCode == 404
    assert call.fault("scheduler.get_recent_jobs_for_device_type", "none").faultCode == 404
    assert call("scheduler.pending_jobs_by_device_type") == {"shell": 1}
