"""`labq login`: remember a server and a token for it."""

from __future__ import annotations

import getpass
import socket
import sys

import click

from labq.cli.api import Api
from labq.cli.failures import Failed
from labq.cli.output import json_option, show_json, wants_json
from labq.cli.server import Server, save_login

EPILOG = """\b
Examples:
  labq login https://lab.example.org
  labq login https://lab.example.org --token labq_..."""


@click.command(epilog=EPILOG)
@click.argument("url")
@click.option("--user", help="Log in as this user; else you are asked.")
@click.option("--token", help="Use this token in place of name and password; `-` reads it.")
@json_option
def command(url: str, user: str | None, token: str | None) -> None:
    """Log in to the server at URL; later commands talk to it.

    Name and password are exchanged for a new token, which is kept in a file that only you can
    read. LABQ_URL and LABQ_TOKEN in the environment go before it.
    """
    address = url.rstrip("/") if "://" in url else f"http://{url.rstrip('/')}"
    if token == "-":  # noqa: S105 - the sign for standard input
        token = sys.stdin.readline().strip()
    secret = token or _new_token(address, user)
    with Api(Server(address, secret, "the command line")) as api:
        name = api.get("/system/whoami")["name"]
    if name is None:
        raise Failed(f"{address} does not know this token")
    path = save_login(Server(address, secret, ""))
    if wants_json():
        show_json({"url": address, "user": name, "file": str(path)})
    else:
        click.echo(f"logged in to {address} as {name} (kept in {path})")


def _new_token(address: str, user: str | None) -> str:
    with Api(Server(address, "", "the command line")) as api:
        api.get("/system/version")
        body = {
            "name": user or click.prompt("User", default=getpass.getuser(), err=True),
            "password": click.prompt("Password", hide_input=True, err=True),
            "description": f"labq login on {socket.gethostname()}",
        }
        return str(api.post("/system/login", body)["secret"])
