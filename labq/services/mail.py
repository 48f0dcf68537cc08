"""Sends mail by SMTP, one message at a time."""

from __future__ import annotations

import re
import smtplib
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from labq.domain.mail_server import MailServer, is_address

TIMEOUT_SECONDS = 10.0
"""For each word with the server; all of them take less than a delivery is handed out for."""
LONGEST_SUBJECT = 200
_NOT_IN_HEADER = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Mail:
    """A message to one address."""

    to: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a mail was not taken; a final one will never be."""

    error: str
    is_final: bool = False


def send(server: MailServer, mail: Mail) -> Refusal | None:
    """Send a mail and return why it was not taken, None when it was."""
    if not is_address(mail.to):
        return Refusal(f"{mail.to!r} is no e-mail address", is_final=True)
    try:
        with ExitStack() as stack:
            link = stack.enter_context(_connect(server))
            if server.user:
                link.login(server.user, server.password)
            link.send_message(_written(server, mail))
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        return Refusal(f"{mail.to} was refused: {code} {_text(words)}", is_final=code >= 500)
    except smtplib.SMTPResponseException as error:
        return Refusal(f"{server.host} answered {error.smtp_code} {_text(error.smtp_error)}")
    except (OSError, smtplib.SMTPException, HeaderParseError, UnicodeError) as error:
        return Refusal(f"{server.host}:{server.port}: {type(error).__name__}: {error}")
    return None


def _connect(server: MailServer) -> smtplib.SMTP:
    """Return a connection, encrypted as the scheme says; its certificate is checked."""
    if server.scheme == "smtps":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_SECONDS, context=context)
    link = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
    if server.scheme == "smtp+starttls":
        try:
            link.starttls(context=ssl.create_default_context())
        except BaseException:
            link.close()
            raise
    return link


def _written(server: MailServer, mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"] = server.sender
    message["To"] = mail.to
    message["Subject"] = _NOT_IN_HEADER.sub(" ", mail.subject)[:LONGEST_SUBJECT]
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=server.sender.rpartition("@")[2])
    # Answers to it, of people who are away, are not wanted.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _text(words: bytes | str) -> str:
    return words.decode(errors="replace") if isinstance(words, bytes) else words
