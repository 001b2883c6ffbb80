"""Which hosts a list covers, and which addresses their names may stand for."""

from __future__ import annotations

import ipaddress

import pytest

from mcp_services.proxy_hosts import AllowedHosts, BadHost, is_public, read_host

LIST = AllowedHosts(
    [
        ("example.org", [80, 443]),
        ("*.example.net", [443]),
        ("10.0.0.5", [8080]),
        ("::1", [80]),
    ]
)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("example.org", 443),
        ("EXAMPLE.org.", 80),
        ("a.example.net", 443),
        ("a.b.example.net", 443),
        ("10.0.0.5", 8080),
        ("[::1]", 80),
        ("[0:0::1]", 80),
    ],
)
def test_hosts_of_the_list_are_covered(host: str, port: int) -> None:
    assert LIST.allows(read_host(host), port)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("example.org", 8443),
        ("www.example.org", 443),
        ("example.net", 443),
        ("badexample.net", 443),
        ("example.net.evil.org", 443),
        ("example.org.evil.org", 443),
        ("10.0.0.5", 80),
        ("10.0.0.6", 8080),
        ("localhost", 80),
    ],
)
def test_nothing_else_is_covered(host: str, port: int) -> None:
    assert not LIST.allows(read_host(host), port)


@pytest.mark.parametrize(
    "text",
    ["", ".", "a..b", "-a.org", "a-.org", "a b.org", "a/b", "a\n.org", "é.org", "127.1", "0x7f000001", "2130706433"]
    + ["1.2.3.4.5", "a.123", "a.0x7f", "fe80::1%eth0", "a" * 64 + ".org", "a." * 127 + "org", "*.example.net", "[a]b"],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(BadHost):
        read_host(text)


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"]
    + ["100.100.100.200", "192.0.0.192", "168.63.129.16", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"]
    + ["::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"]
    + ["64:ff9b:1::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2002:7f00:1::"],
)
def test_addresses_that_are_not_public_are_known(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert not is_public(address)
    assert not LIST.may_be_reached(address, 443)


@pytest.mark.parametrize("text", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_known(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


def test_an_address_of_the_list_may_be_reached_at_its_port() -> None:
    assert LIST.may_be_reached(ipaddress.ip_address("10.0.0.5"), 8080)
    assert not LIST.may_be_reached(ipaddress.ip_address("10.0.0.5"), 443)
