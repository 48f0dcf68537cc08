"""Where callbacks may go."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from labq.domain.errors import ConfigurationError
from labq.domain.outbound import RefusedError, choose, is_public, read_rules, read_target


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "::a00:1"),
        *("2002:7f00:1::", "2002:c0a8:101::1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1"),
        *("64:ff9b:1::1", "2001:0:7f00:1::", "::ffff:0:127.0.0.1"),
    ],
)
def test_an_address_of_the_own_network_is_none_of_the_internet(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::"],
)
def test_an_address_of_the_internet_is_public_in_every_form(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("setting", "url", "address", "is_allowed"),
    [
        ("", "http://ci.example/", "8.8.8.8", True),
        ("", "http://ci.example/", "10.0.0.5", False),
        ("ci.example", "http://ci.example/", "10.0.0.5", True),
        ("ci.example", "http://CI.example./", "10.0.0.5", True),
        ("ci.example", "http://other.example/", "8.8.8.8", False),
        ("public,ci.example", "http://other.example/", "8.8.8.8", True),
        ("*.lab.example", "http://a.lab.example/", "10.0.0.5", True),
        ("*.lab.example", "http://lab.example/", "10.0.0.5", False),
        ("*.lab.example", "http://evillab.example/", "10.0.0.5", False),
        ("10.0.0.0/24", "http://anything.example/", "10.0.0.5", True),
        ("10.0.0.0/24", "http://anything.example/", "10.0.1.5", False),
        ("10.0.0.0/24", "http://anything.example/", "::ffff:10.0.0.5", True),
        ("10.0.0.5:8080", "http://10.0.0.5:8080/", "10.0.0.5", True),
        ("10.0.0.5:8080", "http://10.0.0.5/", "10.0.0.5", False),
        ("[fd00::5]:443", "https://[fd00::5]/", "fd00::5", True),
        ("fd00::/8", "https://[fd00::5]/", "fd00::5", True),
    ],
)
def test_the_setting_says_what_may_be_called(
    setting: str, url: str, address: str, is_allowed: bool
) -> None:
    rules, target = read_rules(setting), read_target(url)
    if is_allowed:
        rules.check(target, ip_address(address))
    else:
        with pytest.raises(RefusedError):
            rules.check(target, ip_address(address))


def test_a_name_with_one_address_of_the_own_network_is_not_called_at_all() -> None:
    target = read_target("http://ci.example/")
    assert str(choose(read_rules(""), target, ["8.8.8.8", "8.8.4.4"])) == "8.8.8.8"
    with pytest.raises(RefusedError, match=r"10\.0\.0\.1"):
        choose(read_rules(""), target, ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(RefusedError, match="no address"):
        choose(read_rules(""), target, [])


@pytest.mark.parametrize(
    "url", ["gopher://x/", "file:///etc/passwd", "http://", "//x", "http://x:y/", "http://["]
)
def test_what_is_no_url_of_http_is_refused(url: str) -> None:
    with pytest.raises(RefusedError):
        read_target(url)


@pytest.mark.parametrize("setting", ["10.0.0.0/99", "x:y", "http://x", "*."])
def test_a_setting_that_means_nothing_is_told(setting: str) -> None:
    with pytest.raises(ConfigurationError):
        read_rules(setting)
