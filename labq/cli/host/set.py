"""`labq host set`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from labq.cli import choice
from labq.cli.api import Row, connect
from labq.cli.failures import Misused
from labq.cli.host.show import show_host
from labq.cli.output import json_option
from labq.domain.errors import InvalidInputError
from labq.domain.presets import ADAPTIVE, Preset
from labq.domain.states import HostHealth
from labq.domain.timeout_scale import parse_scales

OWN = "own"
ADAPT = "auto"
SITE = "site"
PRESETS = click.Choice([*(preset.value for preset in Preset), OWN])
EPILOG = """\b
Examples:
  labq host set lab-1 --health maintenance --reason "new switch"
  labq host set lab-1 --preset dedicated
  labq host set lab-1 --ceiling boot=6 --limit download=2
  labq host set lab-1 --limit download=auto
  labq host set far-away --timeout-scale download=3 --timeout-scale 1.5"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option("--health", type=choice.of(HostHealth), help="Whether it is given work.")
@click.option("--reason", default="", help="Why its health changes, for those who wonder.")
@click.option("--preset", type=PRESETS, help="What it is for; own: what the host itself says.")
@click.option("--limit", "limits", multiple=True, metavar="QUEUE=N", help="Fix slots; auto: adapt.")
@click.option("--ceiling", "ceilings", multiple=True, metavar="QUEUE=N", help="The most slots.")
@click.option(
    "--timeout-scale",
    "scales",
    multiple=True,
    metavar="[KIND=]FACTOR",
    help="Stretch timeouts of jobs here, in place of all factors before; site: as the server says.",
)
@click.option(
    "--lost-after",
    type=click.IntRange(0),
    metavar="SECONDS",
    help="Silence that ends its runs; 0: as the server is set.",
)
@json_option
def command(
    name: str,
    *,
    health: str | None,
    reason: str,
    preset: str | None,
    lost_after: int | None,
    **lists: Sequence[str],
) -> None:
    """Change the host NAME (admins); what is not named stays, what runs there goes on.

    QUEUE is boot, deploy or download. The host takes changes up within seconds.
    """
    body: Row = {"health": health, "reason": reason} if health else {}
    if preset:
        body["preset"] = preset
    for key in ("limits", "ceilings"):
        if lists[key]:
            body[key] = dict(_slots(key, word) for word in lists[key])
    if lists["scales"]:
        body["timeout_scales"] = _scales(lists["scales"])
    if lost_after is not None:
        body["lost_after_seconds"] = lost_after
    if not body:
        raise Misused("nothing to change: see `labq host set --help`")
    with connect() as api:
        show_host(api.patch(f"/hosts/{name}", body))


def _scales(words: Sequence[str]) -> dict[str, float]:
    if tuple(words) == (SITE,):
        return {}
    try:
        return parse_scales(",".join(words), "--timeout-scale")
    except InvalidInputError as error:
        raise Misused(str(error)) from error


def _slots(key: str, word: str) -> tuple[str, int]:
    queue, _, number = word.partition("=")
    if queue not in ADAPTIVE or not (number.isdecimal() or number == ADAPT):
        known = ", ".join(ADAPTIVE)
        option = f"--{key.removesuffix('s')}"
        raise Misused(f"{option} {word}: expected QUEUE=NUMBER or QUEUE={ADAPT}, QUEUE of {known}")
    return queue, 0 if number == ADAPT else int(number)
