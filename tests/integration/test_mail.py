"""Mail: what jobs' notifications say, what admins are told of, and the test by command line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as SmtpSession
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from labq.config import Settings
from labq.domain.mail_server import read_server
from labq.domain.states import DeliveryState, DeviceHealth, HostState
from labq.models.delivery import Alarm, Delivery
from labq.models.device import Device
from labq.models.host import Host
from labq.services import alarms, mail, transitions
from labq.services.database import session_factory
from labq.services.mail import Mail
from labq.services.transitions import SYSTEM, By
from labq.tasks.notify import NO_SERVER, carry_out
from labq.web.app import create_app
from tests.integration.conductor_lab import (
    BOOT,
    DEFINITION,
    Lab,
    eventually,
    result,
    whole_run,
)
from tests.integration.web_site import Person, Site
from tests.lab.server import free_port


@dataclass
class Postbox:
    """A mail server that keeps what it got, and answers `refuse` to recipients if that is set."""

    url: str = ""
    refuse: str = ""
    login: tuple[bytes, bytes] | None = None
    got: list[EmailMessage] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - the name is the library's
        self,
        _server: SMTP,
        _session: SmtpSession,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the name is the library's
        self, _server: SMTP, _session: SmtpSession, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.got.append(message_from_bytes(content, policy=policy.default))
        return "250 OK"

    def authenticate(
        self,
        _server: SMTP,
        _session: SmtpSession,
        _envelope: Envelope,
        _mechanism: str,
        data: object,
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.login = (data.login, data.password)
        return AuthResult(success=data.password == b"s3cret")


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    """Return a running mail server that takes a log-in without encryption."""
    kept, port = Postbox(), free_port()
    controller = Controller(
        kept,
        hostname="127.0.0.1",
        port=port,
        authenticator=kept.authenticate,
        auth_require_tls=False,
    )
    controller.start()
    kept.url = f"smtp://127.0.0.1:{port}"
    yield kept
    controller.stop()


def test_a_job_that_asks_for_nobody_tells_its_submitter(lab: Lab, postbox: Postbox) -> None:
    _set_address(lab, "ann@lab.example")
    with lab.conducting():
        job = lab.submit(
            f"{DEFINITION}notify:\n  criteria: {{status: finished}}\n  verbosity: verbose\n"
        )
        run = eventually(lambda: lab.sent_run(job), "sending").id
        begin, *rest = whole_run(run)
        lab.send(begin, result(run, BOOT, "login"), *rest)
        eventually(lambda: lab.is_finished(job), "the end")
    (row,) = _carried_out(lab, postbox)
    assert (row.state, row.last_error) == (DeliveryState.SENT, "")
    (message,) = postbox.got
    assert message["To"] == "ann@lab.example"
    assert message["From"] == "lab@lab.example"
    assert message["Subject"] == f"labq: job {job} is complete: smoke"
    body = message.get_content()
    assert f"https://lab.example/jobs/{job}" in body
    assert "board-1 on host rack" in body
    assert "lava: " in body


def test_a_mail_of_a_failed_job_says_why_and_what_failed(lab: Lab, postbox: Postbox) -> None:
    _set_address(lab, "ann@lab.example")
    recipients = "recipients: [{to: {method: email, email: team@lab.example}}]"
    notify = f"notify:\n  criteria: {{status: canceled}}\n  {recipients}\n"
    job = lab.submit(f"{DEFINITION}{notify}  verbosity: verbose\n  compare: {{blacklist: [x]}}\n")
    lab.cancel(job)
    _carried_out(lab, postbox)
    (message,) = postbox.got
    assert message["To"] == "team@lab.example"
    body = message.get_content()
    assert f"Job {job} (smoke) is canceled." in body
    assert "lava: job" in body.split("Failed:")[1]
    assert "No complete job of this name and device type came before it." in body


def test_a_recipient_without_an_address_is_told_where_people_see_it(
    lab: Lab, postbox: Postbox
) -> None:
    lab.cancel(lab.submit(f"{DEFINITION}notify:\n  criteria: {{status: canceled}}\n"))
    (row,) = _carried_out(lab, postbox)
    assert (row.state, row.attempts) == (DeliveryState.FAILED, 1)
    assert row.last_error == "user ann has no e-mail address"
    assert row.target["label"] == "ann"


def test_without_a_mail_server_a_mail_fails_and_says_what_to_set(lab: Lab) -> None:
    _set_address(lab, "ann@lab.example")
    lab.cancel(lab.submit(f"{DEFINITION}notify:\n  criteria: {{status: canceled}}\n"))
    (row,) = _carried_out(lab, Postbox())
    assert (row.state, row.last_error) == (DeliveryState.FAILED, NO_SERVER)


def test_a_server_logs_in_and_names_with_line_breaks_make_no_header(postbox: Postbox) -> None:
    server = read_server(postbox.url.replace("//", "//labq:s3cret@"), "lab@lab.example")
    assert server is not None
    assert mail.send(server, Mail("a@b.example", "one\nBcc: all@b.example", "hello")) is None
    assert postbox.login == (b"labq", b"s3cret")
    (message,) = postbox.got
    assert (message["Subject"], message["Bcc"]) == ("one Bcc: all@b.example", None)


@pytest.mark.parametrize(
    ("refuse", "is_final"), [("550 no such user", True), ("450 come back later", False)]
)
def test_a_refusal_for_good_is_not_tried_again(
    postbox: Postbox, refuse: str, *, is_final: bool
) -> None:
    postbox.refuse = refuse
    server = read_server(postbox.url, "")
    assert server is not None
    refused = mail.send(server, Mail("a@b.example", "x", "y"))
    assert refused is not None
    assert (refuse in refused.error, refused.is_final) == (True, is_final)
    wrong = mail.send(server, Mail("a@b.example\nBcc: x@y.example", "x", "y"))
    assert wrong is not None
    assert wrong.is_final


def test_admins_get_one_mail_of_the_first_fall_and_one_of_the_storm_after_it(
    lab: Lab, postbox: Postbox
) -> None:
    at = datetime.now(UTC)
    _fall(lab, "board-1", at)
    _send_due(lab, at)
    assert [one["Subject"] for one in _mails(lab, postbox)] == ["labq: device board-1 is bad"]
    _rise(lab, "board-1", at)
    _fall(lab, "board-1", at + timedelta(minutes=1))
    _silence(lab, at + timedelta(minutes=1))
    _send_due(lab, at + timedelta(minutes=5))
    assert len(_mails(lab, postbox)) == 1
    _send_due(lab, at + timedelta(minutes=11))
    assert _mails(lab, postbox)[-1]["Subject"] == "labq: 1 devices and 1 hosts fell out"
    _send_due(lab, at + timedelta(hours=1))
    assert len(_mails(lab, postbox)) == 2


def test_what_a_person_did_or_what_is_well_again_alarms_nobody(lab: Lab) -> None:
    at = datetime.now(UTC)
    _fall(lab, "board-1", at, actor="root")
    _silence(lab, at)
    with Session(lab.engine) as session, session.begin():
        host = session.get_one(Host, "rack")
        transitions.move_host(session, host, HostState.ONLINE, By(SYSTEM, at, "it reports"))
    _send_due(lab, at + timedelta(minutes=2))
    with Session(lab.engine) as session:
        assert session.scalars(select(Delivery)).all() == []
        assert session.scalars(select(Alarm)).all() == []


def test_what_nobody_could_be_told_for_a_day_is_forgotten(lab: Lab, postbox: Postbox) -> None:
    at = datetime.now(UTC)
    _fall(lab, "board-1", at)
    later = at + timedelta(hours=25)
    with Session(lab.engine) as session, session.begin():
        alarms.forget_old(session, later)
    _send_due(lab, later)
    assert _mails(lab, postbox) == []


def test_an_admin_has_a_test_mail_sent_and_sees_what_came_of_it(
    lab: Lab, postbox: Postbox, admin: Person, settings: Settings
) -> None:
    sending = settings.model_copy(update={"smtp_url": postbox.url})
    site = Site(create_app(sending, lab.engine), lab.engine)
    asked = site.send("POST", "/mail/test", admin, json={"address": "a@b.example"})
    assert (asked.status_code, asked.json["state"]) == (202, "pending")
    _carried_out(lab, postbox)
    found = site.get(f"/deliveries/{asked.json['id']}", admin).json
    assert (found["to"], found["state"], len(found["tries"])) == ("a@b.example", "sent", 1)
    assert postbox.got[0]["Subject"] == "labq: a test of its mail"


def test_a_test_mail_is_for_admins_of_a_server_that_sends_mail(
    site: Site, admin: Person, ann: Person
) -> None:
    refused = site.send("POST", "/mail/test", admin, json={"address": "a@b.example"})
    assert (refused.status_code, "LABQ_SMTP_URL" in refused.json["detail"]) == (409, True)
    assert site.send("POST", "/mail/test", ann, json={"address": "a@b.example"}).status_code == 403


def _set_address(lab: Lab, address: str) -> None:
    with lab.engine.begin() as connection:
        connection.execute(text('UPDATE "user" SET email = :email'), {"email": address})


def _carried_out(lab: Lab, postbox: Postbox) -> list[Delivery]:
    """Make all deliveries as the task does."""
    update = {
        "smtp_url": postbox.url,
        "mail_from": "lab@lab.example",
        "public_url": "https://lab.example",
    }
    settings = lab.settings.model_copy(update=update)
    with Session(lab.engine) as session:
        rows = session.scalars(select(Delivery.id).order_by(Delivery.id)).all()
    for row in rows:
        carry_out(row, settings, session_factory(lab.engine))
    with Session(lab.engine) as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def _mails(lab: Lab, postbox: Postbox) -> list[EmailMessage]:
    _carried_out(lab, postbox)
    return postbox.got


def _send_due(lab: Lab, now: datetime) -> None:
    with Session(lab.engine) as session, session.begin():
        alarms.send_due(session, now, ("admin@lab.example",), "https://lab.example")


def _fall(lab: Lab, name: str, at: datetime, actor: str = SYSTEM) -> None:
    _set_health(lab, name, DeviceHealth.BAD, By(actor, at, "it does not go off"))


def _rise(lab: Lab, name: str, at: datetime) -> None:
    _set_health(lab, name, DeviceHealth.UNKNOWN, By("root", at, "looked at"))


def _set_health(lab: Lab, name: str, health: DeviceHealth, by: By) -> None:
    with Session(lab.engine) as session, session.begin():
        device = session.scalars(select(Device).where(Device.name == name)).one()
        transitions.set_device_health(session, device, health, by)


def _silence(lab: Lab, at: datetime) -> None:
    with Session(lab.engine) as session, session.begin():
        host = session.get_one(Host, "rack")
        transitions.move_host(session, host, HostState.OFFLINE, By(SYSTEM, at, "no report"))
