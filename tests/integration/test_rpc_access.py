"""Who may call what over XML-RPC, what a bad call gets, several calls at once."""

from __future__ import annotations

import base64
import gzip
from xmlrpc.client import Fault, dumps, loads

import pytest

from labq.web.endpoint import Level
from labq.web.lava.rpc import METHODS
from labq.web.lava.wire import BAD_ARGUMENTS, NO_CALL, UNKNOWN_METHOD, UNREADABLE
from tests.integration.rpc_client import Rpc, basic
from tests.integration.web_site import Person, Site

VERSION = dumps((), "system.version").encode()


def test_user_and_token_are_asked_for_in_the_header(site: Site, ann: Person, bob: Person) -> None:
    assert Rpc(site)("system.whoami") is None
    assert Rpc(site, ann)("system.whoami") == "ann"
    for user, secret in (("ann", "wrong"), ("ann", bob.token), ("", ann.token), ("ann", "é" * 48)):
        answer = Rpc(site).post(VERSION, **basic(user, secret))
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith('Basic realm="')


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic !!", "Bearer x", "Token x", f"Basic {base64.b64encode(b'nocolon').decode()}"],
)
def test_a_malformed_header_is_400(site: Site, header: str) -> None:
    assert Rpc(site).post(VERSION, Authorization=header).status_code == 400


def test_both_addresses_answer_and_a_browser_is_led_to_the_docs(site: Site) -> None:
    for path in ("/RPC2", "/RPC2/"):
        assert site.client.post(path, data=VERSION).content_type == "text/xml; charset=utf-8"
        assert site.client.get(path).status_code == 302
    assert Rpc(site).post(b"").status_code == 302


def test_a_cookie_does_not_count(site: Site, ann: Person) -> None:
    client = site.client
    client.set_cookie("labq_session", ann.token)
    (name,), _ = loads(client.post("/RPC2", data=dumps((), "system.whoami")).data)
    assert name is None


def test_bad_calls_get_the_codes_of_the_protocol(site: Site) -> None:
    call = Rpc(site)
    assert call.fault("nope").faultCode == UNKNOWN_METHOD
    assert call.fault("scheduler.jobs._find", 1).faultCode == UNKNOWN_METHOD
    assert call.fault("system.version", 1).faultCode == BAD_ARGUMENTS
    assert call.fault("scheduler.jobs.show").faultCode == BAD_ARGUMENTS
    assert call.fault("scheduler.jobs.show", [1]).faultCode == BAD_ARGUMENTS
    for body, code in ((b"<", UNREADABLE), (b"<a/>", NO_CALL)):
        with pytest.raises(Fault) as caught:
            loads(call.post(body).data)
        assert caught.value.faultCode == code
    assert call.post(b"<a>" + b" " * 3_000_000).status_code == 413


def test_a_gzipped_call_is_read(site: Site) -> None:
    answer = Rpc(site).post(gzip.compress(VERSION), **{"Content-Encoding": "gzip"})
    assert loads(answer.data)[0] == ("2026.08",)


def test_every_method_keeps_its_level(site: Site, ann: Person) -> None:
    stranger, user = Rpc(site), Rpc(site, ann)
    for method in METHODS:
        arguments = ["x"] * 9
        if method.level > Level.ANONYMOUS:
            assert stranger.fault(method.name, *arguments).faultCode == 401, method.name
        if method.level is Level.ADMIN:
            assert user.fault(method.name, *arguments).faultCode == 403, method.name


def test_what_is_hidden_is_403_and_says_nothing_of_it(site: Site, ann: Person, bob: Person) -> None:
    job, _ = site.finished_job(ann, site.device())
    site.hide(job)
    for who in (Rpc(site), Rpc(site, bob)):
        for method in ("jobs.show", "jobs.logs", "jobs.definition", "job_details", "job_output"):
            fault = who.fault(f"scheduler.{method}", job)
            assert (fault.faultCode, "smoke" in fault.faultString) == (403, False)
        assert who("scheduler.jobs.list") == []
        assert who("scheduler.get_recent_jobs_for_device", "board-1") == []
    bobs = Rpc(site, bob)
    assert bobs.fault("results.get_testjob_results_yaml", job).faultCode == 401
    assert bobs.fault("scheduler.cancel_job", job).faultCode == 403
    assert bobs.fault("scheduler.resubmit_job", job).faultCode == 403
    assert bobs("system.user_can_view_jobs", [job, str(job), 999]) == {
        str(job): False,
        "999": False,
    }
    assert Rpc(site, ann)("system.user_can_view_jobs", [job]) == {str(job): True}
    assert bobs.fault("system.user_can_view_jobs", [job], "ann").faultCode == 400


def test_another_users_job_may_be_seen_and_not_canceled(
    site: Site, ann: Person, bob: Person
) -> None:
    job = site.job(ann)
    assert Rpc(site, bob)("scheduler.jobs.show", job)["id"] == job
    assert Rpc(site, bob).fault("scheduler.jobs.cancel", job).faultCode == 403


def test_several_calls_at_once_fail_and_succeed_each_by_itself(site: Site, ann: Person) -> None:
    site.device()
    calls = [
        {"methodName": "system.whoami", "params": []},
        {"methodName": "scheduler.jobs.show", "params": [999]},
        {"methodName": "nope", "params": []},
        {"methodName": "system.multicall", "params": [[]]},
        {"methodName": "scheduler.devices.list"},
        "nonsense",
    ]
    found = Rpc(site, ann)("system.multicall", calls)
    assert found[0] == ["ann"]
    assert [one["faultCode"] for one in found[1:4]] == [404, UNKNOWN_METHOD, BAD_ARGUMENTS]
    assert found[4][0][0]["hostname"] == "board-1"
    assert found[5]["faultCode"] == BAD_ARGUMENTS
    assert Rpc(site, ann).fault("system.multicall", [{}] * 1000).faultCode == BAD_ARGUMENTS


def test_methods_tell_about_themselves(site: Site) -> None:
    call = Rpc(site)
    names = call("system.listMethods")
    assert names == sorted(names)
    assert {"scheduler.jobs.submit", "system.listMethods"} <= set(names)
    assert call("system.methodHelp", "scheduler.jobs.show").startswith(
        "scheduler.jobs.show(job_id)"
    )
    assert call("system.methodSignature", "scheduler.jobs.show") == [["struct", "string"]]
    assert call.fault("system.methodHelp", "nope").faultCode == 404
    assert "system.multicall" in call("system.getCapabilities")
    assert set(call("system.master_config")) == {
        *("EVENT_TOPIC", "EVENT_SOCKET", "EVENT_NOTIFICATION", "LOG_SIZE_LIMIT"),
    }
