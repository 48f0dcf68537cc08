"""Addresses for hosts, times of codes, names of hosts."""

from __future__ import annotations

import click
import pytest

from labq.cli.seconds import SECONDS
from labq.config import Settings
from labq.domain.errors import ConfigurationError, InvalidInputError
from labq.domain.names import check_host_name
from labq.services import host_setup
from labq.services.enrolments import Joined
from labq.supervisor.address import split

JOINED = Joined(host="rack", user="host.rack", password="pw", credential="c")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("lab.example.org", ("lab.example.org", 6380)),
        ("192.0.2.7:7000", ("192.0.2.7", 7000)),
        ("[2001:db8::7]:7000", ("2001:db8::7", 7000)),
        ("2001:db8::7", ("2001:db8::7", 6380)),
    ],
)
def test_an_address_may_have_a_port(text: str, found: tuple[str, int]) -> None:
    assert split(text, 6380) == found


@pytest.mark.parametrize("text", ["", ":7000", "lab:0", "lab:x", "lab:99999", "lab/x"])
def test_what_is_no_address_is_told(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not ADDRESS"):
        split(text, 6380)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86400)])
def test_a_time_has_a_unit(text: str, seconds: int) -> None:
    assert SECONDS.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "90", "0s", "-1h", "1 h", "1w"])
def test_a_time_without_a_unit_is_told(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time"):
        SECONDS.convert(text, None, None)


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a*", "-a", "LABQ", "core", "a" * 64, "ä"])
def test_a_name_with_a_meaning_for_queues_and_keys_is_told(name: str) -> None:
    with pytest.raises(InvalidInputError):
        check_host_name(name)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (
            {"redis_url": "redis://:admin@127.0.0.1:7000/0"},
            "redis://host.rack:pw@127.0.0.1:7000/0",
        ),
        (
            {"redis_url": "rediss://u:admin@lab:7000/0?ssl_ca_certs=x"},
            "rediss://host.rack:pw@lab:7000/0",
        ),
        (
            {"redis_url": "redis://:admin@10.0.0.1/0", "redis_public_url": "rediss://lab:6380"},
            "rediss://host.rack:pw@lab:6380/0",
        ),
    ],
)
def test_a_host_is_told_the_address_and_never_the_admins_password(
    settings: dict[str, str], url: str
) -> None:
    setup = host_setup.set_up(Settings.model_validate(settings), JOINED)
    assert setup.redis_url == url
    assert "admin" not in str(setup)


@pytest.mark.parametrize(
    "settings",
    [
        {"redis_url": "redis://:admin@10.0.0.1:6379/0"},
        {"redis_url": "unix:///run/redis.sock"},
        {"redis_url": "redis://127.0.0.1:1/0", "redis_public_url": "redis://lab:6379"},
    ],
)
def test_a_redis_that_hosts_could_not_reach_safely_is_told(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="LABQ_REDIS_PUBLIC_URL"):
        host_setup.redis_place(Settings.model_validate(settings))
