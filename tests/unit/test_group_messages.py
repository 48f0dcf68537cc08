"""Messages between members: what is waited for, how calls of tests and of actions are answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from labq.actions.steps.expiry import TestTimeoutError
from labq.actions.steps.group import Group
from labq.actions.steps.group_calls import received
from labq.actions.steps.shell import Shell
from labq.actions.steps.shell_run import RunFacts
from labq.actions.steps.work import Work
from labq.actions.test import interactive
from labq.benchlink import heard
from labq.domain.deadline import Deadline
from labq.domain.errors import JobError, TestError
from labq.domain.orders import GroupMail
from labq.domain.plan import Queue, Seat, StepKind, Timeouts
from labq.domain.verdicts import Verdict
from labq.hw.expect import Expect
from labq.hw.fake import FakeConsole, FakeGroup, FakeSession, Say
from tests.unit.plans import plan, step

ROLES = (("9.0", "server"), ("9.1", "client"), ("9.2", "client"))
SEAT = Seat(group=9, name="g", member="9.1", role="client", roles=ROLES, timeout=60.0)
BEGUN = GroupMail(number=1, sort="begun", name="", sender="")


def sent(number: int, sender: str, name: str, **data: str) -> GroupMail:
    return GroupMail(number=number, sort="send", name=name, sender=sender, data=data)


def session(*script: tuple[float, GroupMail], seat: Seat | None = SEAT, **keys: Any) -> FakeSession:
    parameters = keys.pop("parameters", {})
    made = step(str(keys.pop("method", "definitions")), parameters, stage=0, **keys)
    return FakeSession(plan([made], seat=seat), made, group=FakeGroup(script))


def group(*script: tuple[float, GroupMail]) -> Group:
    return Group.of(session(*script))


def at(seconds: float) -> Deadline:
    return Deadline.after(seconds, 0.0)


def test_a_wait_ends_when_anybody_has_sent_the_message() -> None:
    one = group((1.0, sent(1, "9.2", "other")), (1.0, sent(2, "9.0", "ready", ip="10.0.0.1")))
    assert one.wait("ready", at(10)) == {"9.0": {"ip": "10.0.0.1"}}
    assert one.session.group.now() == 2.0


def test_messages_stay_and_what_a_member_adds_later_is_added() -> None:
    one = group((1.0, sent(1, "9.0", "ready", a="1")), (1.0, sent(2, "9.0", "ready", b="2")))
    assert one.wait("ready", at(10)) == {"9.0": {"a": "1"}}
    one.session.group.read(at(10))
    assert one.wait("ready", at(0)) == {"9.0": {"a": "1", "b": "2"}}


def test_wait_all_waits_for_all_members_or_all_of_a_role() -> None:
    script = [(1.0, sent(1, "9.2", "x")), (1.0, sent(2, "9.1", "x")), (1.0, sent(3, "9.0", "x"))]
    one = group(*script)
    assert list(one.wait_all("x", "client", at(10))) == ["9.1", "9.2"]
    assert one.session.group.now() == 2.0
    assert list(one.wait_all("x", "", at(10))) == ["9.0", "9.1", "9.2"]
    assert one.session.group.now() == 3.0


def test_nobody_with_a_role_is_a_job_error() -> None:
    with pytest.raises(JobError, match="'nobody'"):
        group().wait_all("x", "nobody", at(10))


def test_a_sync_sends_and_waits_for_all() -> None:
    made = session((1.0, sent(1, "9.0", "end")), (1.0, sent(2, "9.2", "end")))
    made.group = FakeGroup(
        [(1.0, sent(1, "9.0", "end")), (1.0, sent(2, "9.2", "end"))],
        lambda _sort, name: [sent(3, "9.1", name)],
    )
    assert list(Group.of(made).sync("end", at(10))) == ["9.0", "9.1", "9.2"]
    assert made.group.told == [("send", "end", {})]


def test_a_wait_that_is_over_names_who_is_missing() -> None:
    one = group((1.0, sent(1, "9.0", "x")))
    with pytest.raises(TestTimeoutError, match=r"10 seconds; nothing .* 9.1 \(client\), 9.2"):
        one.wait_all("x", "", at(10))


def test_a_step_with_a_slot_gives_it_back_while_it_waits() -> None:
    made = session((1.0, sent(1, "9.0", "x")), queue=Queue.BOOT)
    Group.of(made).wait("x", at(10))
    assert made.group.calls == ["rest", "resume"]
    Group.of(made).wait("x", at(10))
    assert made.group.calls == ["rest", "resume"]


def test_a_member_joins_when_all_have_begun() -> None:
    made = session((5.0, BEGUN))
    Group.of(made).join()
    assert made.group.now() == 5.0
    with pytest.raises(TestTimeoutError, match="the begin of all members"):
        Group.of(session()).join()


def test_a_guest_joins_when_its_host_says_so() -> None:
    seat = Seat(
        group=9,
        name="g",
        member="9.1",
        role="client",
        roles=ROLES,
        timeout=60.0,
        start_role="server",
    )
    start = [
        GroupMail(number=n, sort="start", name="client", sender=s)
        for n, s in ((2, "9.2"), (3, "9.0"))
    ]
    made = session((1.0, BEGUN), (1.0, start[0]), (1.0, start[1]), seat=seat)
    Group.of(made).join()
    assert made.group.now() == 3.0


START = b"<LAVA_SIGNAL_STARTRUN 0_smoke 7_3.0.0>\r\n"
END = b"<LAVA_SIGNAL_ENDRUN 0_smoke 7_3.0.0>\r\n<LAVA_TEST_RUNNER EXIT>\r\n"


def shell(call: bytes, *script: tuple[float, GroupMail], **keys: Any) -> FakeSession:
    """Return a session whose test made one call and ended when it was answered."""

    def answer(typed: bytes) -> Sequence[Say]:
        if b"labq-exit=$?" in typed:
            return [Say(typed + b"labq-exit=0\r\n# ")]
        if b"lava-test-runner" in typed:
            return [Say(START + b"<LAVA_MULTI_NODE> <LAVA_" + call + b">\r\n")]
        return [Say(typed + END)] if typed == b"\n" else [Say(typed)]

    made = session(*script, timeouts=Timeouts(block=300.0, action=300.0), **keys)
    made.consoles["serial"] = FakeConsole(answer=answer)
    return made


def run(made: FakeSession) -> None:
    expect = Expect(made.console())
    work = Work(made, clock=lambda: expect.clock)
    with work.block("lava-test-retry"):
        facts = RunFacts(name="0_smoke", uuid="7_3.0.0")
        Shell(
            work, expect, prompts=[], root="/lava-7", shell="/bin/sh", stage=0, definitions=[facts]
        ).run()


def verdicts(made: FakeSession) -> dict[str, Verdict]:
    return {one.case: one.verdict for one in made.results}


def test_a_test_that_waits_has_the_answer_typed_and_a_case() -> None:
    made = shell(b"WAIT ready", (5.0, sent(1, "9.0", "ready", ip="10.0.0.1", port="80")))
    run(made)
    assert b"<LAVA_WAIT_COMPLETE 9.0:ip=10.0.0.1 9.0:port=80>\n" in made.console().sent
    assert verdicts(made)["multinode-wait-ready"] is Verdict.PASS
    assert verdicts(made)["0_smoke"] is Verdict.PASS


def test_a_long_answer_is_typed_on_several_lines() -> None:
    data = {f"key{number}": "x" * 90 for number in range(30)}
    made = shell(b"WAIT ready", (5.0, sent(1, "9.0", "ready", **data)))
    run(made)
    typed = [one for one in made.console().sent if b"key" in one]
    assert len(typed) >= 3
    assert max(len(one) for one in typed) < 1100
    assert typed[0].startswith(b"<LAVA_WAIT_COMPLETE 9.0:key0=")
    assert [one.endswith(b">\n") for one in typed] == [False] * (len(typed) - 1) + [True]


def test_a_wait_without_an_answer_fails_its_case_and_ends_as_a_test_error() -> None:
    made = shell(b"SYNC end", (5.0, sent(1, "9.0", "end")))
    with pytest.raises(TestTimeoutError, match=r"lava-sync end timed out .* 9.1 .* 9.2"):
        run(made)
    assert verdicts(made)["multinode-sync-end"] is Verdict.FAIL
    assert b"<LAVA_WAIT_COMPLETE nack>\n" in made.console().sent


def test_a_call_of_a_job_without_a_group_is_a_test_error() -> None:
    with pytest.raises(TestError, match="in no multinode group"):
        run(shell(b"WAIT ready", seat=None))


def test_an_item_of_an_interactive_test_asks_the_group_and_uses_what_is_told() -> None:
    made = session((3.0, sent(1, "9.0", "ready", ip="10.0.0.1")), method="interactive")
    made.consoles["serial"] = FakeConsole(answer=lambda typed: [Say(typed + b"# ")])
    script = [{"lava-wait": "ready"}, {"command": "ping {ip}"}, {"lava-send": "done it=now"}]
    item = {"name": "session", "prompts": ["# "], "script": script}
    interactive.run(made, interactive.InteractiveParameters.model_validate({"interactive": [item]}))
    assert made.console().sent == [b"ping 10.0.0.1\n"]
    assert made.group.told == [("send", "done", {"it": "now"})]
    assert verdicts(made)["multinode-wait-ready"] is Verdict.PASS


CALLS = {
    "protocols": {
        "lava-multinode": [
            {
                "action": "login-action",
                "request": "lava-wait",
                "messageID": "ipv4",
                "message": {"address": "$ip"},
                "timeout": {"seconds": 20},
            },
            {
                "action": "never-there",
                "request": "lava-send",
                "messageID": "mine",
                "message": {"got": "$ip", "fixed": "1"},
            },
        ]
    }
}


def booting(*script: tuple[float, GroupMail]) -> tuple[FakeSession, Work]:
    made = session(
        *script,
        parameters=CALLS,
        kind=StepKind.BOOT,
        queue=Queue.BOOT,
        timeouts=Timeouts(block=60.0, action=60.0),
    )
    return made, Work(made, clock=made.group.now)


def test_calls_of_a_block_are_made_when_their_action_begins_and_the_others_at_its_end() -> None:
    made, work = booting((5.0, sent(1, "9.0", "ipv4", ip="10.0.0.1")))
    with work.block("boot"):
        with work.action("power-on"):
            assert made.group.now() == 0.0
        with work.action("login-action"):
            assert made.group.now() == 5.0
        assert made.group.told == []
    assert made.group.told == [("send", "mine", {"got": "10.0.0.1", "fixed": "1"})]
    assert received(made, "ipv4", "address") == "10.0.0.1"


def test_a_call_waits_no_longer_than_it_says() -> None:
    made, work = booting()
    with (
        pytest.raises(TestTimeoutError, match="20 seconds"),
        work.block("boot"),
        work.action("login-action"),
    ):
        pass
    assert made.group.now() == 20.0


def test_a_value_that_never_came_is_a_job_error() -> None:
    made, work = booting()
    made.group = FakeGroup([(0.0, sent(1, "9.0", "ipv4", other="1"))])
    work.clock = made.group.now
    with (
        pytest.raises(JobError, match=r"\$ip"),
        work.block("boot"),
        work.action("login-action"),
    ):
        pass


def test_a_run_knows_up_to_which_message_it_has_all() -> None:
    known = heard.Heard(SEAT)
    known.take([sent(1, "9.0", "a"), sent(3, "9.0", "b")])
    assert (known.last, known.is_joined) == (1, False)
    assert [one.number for one in known.unknown([sent(2, "9.0", "c"), sent(3, "9.0", "b")])] == [2]
    known.take([GroupMail(number=2, sort="begun", name="", sender="")])
    assert (known.last, known.is_joined) == (3, True)


def test_messages_come_back_from_the_journal_as_they_were() -> None:
    mail = [sent(number, "9.0", "a", k="é\n") for number in range(1, 121)]
    records = list(heard.dump(mail))
    assert len(records) == 3
    assert [one for data in records for one in heard.load(data)] == mail
