"""`labq host enroll`."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

import click

from labq.cli.api import Row, connect
from labq.cli.output import json_option, note, show_json, wants_json
from labq.cli.seconds import SECONDS
from labq.domain.names import LOOPBACK

EPILOG = """\b
Examples:
  labq host enroll rack-2
  labq host enroll rack-2 --ttl 24h --url https://lab.example.org"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option("--ttl", type=SECONDS, default="1h", help="How long the code is good: 90s, 30m, 24h.")
@click.option("--url", help="The server's address as the host's machine sees it.")
@json_option
def command(name: str, ttl: int, url: str | None) -> None:
    """Let a machine join as the host NAME (admins); prints the one command to run there.

    The command has a code that works once. A host that is new is made known by this.
    """
    with connect() as api:
        made = api.post(f"/hosts/{name}/enrolment", {"ttl_seconds": ttl})
        address = (url or made["public_url"] or api.server.url).rstrip("/")
    join = _join_command(made, address)
    if wants_json():
        show_json({**made, "url": address, "command": join})
        return
    note(f"run this on the machine of host {name}, before {made['expires_at']}:")
    click.echo(join)
    for line in _warnings(address, str(made["redis_url"])):
        note(line)


def _join_command(made: Row, url: str) -> str:
    words = ["labq", "host", "join", url, "--code", made["code"]]
    if made["ca_sha256"]:
        words += ["--ca", f"sha256:{made['ca_sha256']}"]
    if not _is_safe(url):
        words.append("--plain-http")
    return shlex.join(words)


def _warnings(url: str, redis_url: str) -> list[str]:
    lines = []
    if not _is_safe(url):
        lines.append("the code goes there over plain HTTP: better put the server behind HTTPS")
    if urlsplit(url).hostname in LOOPBACK:
        lines.append(f"{url} is this machine alone: for another one name the server by --url")
    if urlsplit(redis_url).hostname in LOOPBACK:
        lines.append(
            f"Redis is at {redis_url}, for hosts on this machine alone: "
            "see `labq up --hosts-address` and LABQ_REDIS_PUBLIC_URL"
        )
    return lines


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in LOOPBACK
