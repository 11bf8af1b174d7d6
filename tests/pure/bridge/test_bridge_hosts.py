"""Which addresses the pairing link names, and in which order."""

from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bridge.pairing.hosts import (
    Tailnet,
    advertised_url,
    host_list,
    is_local,
    own_addresses,
    tier,
)

LOOPBACK = "http://127.0.0.1:4096"


@pytest.mark.parametrize(
    ("host", "level"),
    [("8.8.8.8", 0), ("100.64.0.1", 1), ("100.127.255.255", 1), ("100.128.0.1", 0), ("10.1.2.3", 2), ("172.16.0.1", 2),
     ("172.32.0.1", 0), ("192.168.1.5", 2), ("169.254.9.9", 3), ("127.0.0.1", 4), ("::1", 4), ("laptop.local", 4)],
)  # fmt: skip
def test_tiers(host: str, level: int) -> None:
    assert tier(host) == level


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("laptop", "http://laptop:4096"),
        ("laptop.tail1234.ts.net", "http://laptop.tail1234.ts.net:4096"),
        (" 192.168.1.5 ", "http://192.168.1.5:4096"),
        ("192.168.1.5:80", "http://192.168.1.5:80"),
        ("https://code.example.org", "https://code.example.org"),
        ("http://code.example.org/", "http://code.example.org"),
        ("fd00::1", "http://[fd00::1]:4096"),
        ("[fd00::1]", "http://[fd00::1]:4096"),
        ("[fd00::1]:80", "http://[fd00::1]:80"),
    ],
)
def test_advertised_hosts_become_urls(host: str, url: str) -> None:
    assert advertised_url(host, 4096) == url


@pytest.mark.parametrize(
    ("url", "advertised", "answering", "hosts"),
    [
        # Only loopback answers: that is what there is, and it works for a simulator.
        (LOOPBACK, [], [], [LOOPBACK]),
        ("http://localhost:4096", [], [], ["http://localhost:4096"]),
        (LOOPBACK, ["laptop"], [], ["http://laptop:4096", LOOPBACK]),
        # Asked at loopback, but listening on all addresses: the phone gets those it can use.
        (LOOPBACK, [], ["192.168.1.5", "127.0.0.1"], ["http://192.168.1.5:4096"]),
        (
            "http://0.0.0.0:4096",
            ["https://code.example.org", " "],
            ["169.254.9.9", "192.168.1.5", "100.64.0.1", "8.8.8.8", "10.0.0.1"],
            ["https://code.example.org", "http://8.8.8.8:4096", "http://100.64.0.1:4096", "http://192.168.1.5:4096",
             "http://10.0.0.1:4096", "http://169.254.9.9:4096"],
        ),
        ("http://0.0.0.0:4096", [], [], [LOOPBACK]),
        ("http://[::]:4096", [], [], [LOOPBACK]),
        # One certain address is enough; this machine's others need not answer.
        ("http://192.168.1.5:4096", [], ["10.0.0.1"], ["http://192.168.1.5:4096"]),
        ("http://192.168.1.5:4096", ["192.168.1.5"], [], ["http://192.168.1.5:4096"]),
        ("https://code.example.org", ["a"], [], ["http://a:443", "https://code.example.org"]),
    ],
)  # fmt: skip
def test_host_list(url: str, advertised: list[str], answering: list[str], hosts: list[str]) -> None:
    assert host_list(url, advertised, answering) == hosts


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("localhost", True), ("::1", True), ("0.0.0.0", True), ("::", True),
     ("192.168.1.5", False), ("laptop", False), ("", False)],
)  # fmt: skip
def test_local_hosts(host: str, local: bool) -> None:
    assert is_local(host) is local


LAPTOP = Tailnet("laptop.tail1234.ts.net", ("100.101.102.103", "fd7a:115c:a1e0::1"))
NAME = "http://laptop.tail1234.ts.net:4096"


@pytest.mark.parametrize(
    ("url", "answering", "hosts"),
    [
        # The name needs an address that answers.
        (LOOPBACK, [], [LOOPBACK]),
        (LOOPBACK, ["192.168.1.5"], ["http://192.168.1.5:4096"]),
        (
            LOOPBACK,
            ["192.168.1.5", "8.8.8.8", "100.101.102.103"],
            [NAME, "http://100.101.102.103:4096", "http://8.8.8.8:4096", "http://192.168.1.5:4096"],
        ),
        (
            "http://[::]:4096",
            ["2001:db8::5", "192.168.1.5", "fd7a:115c:a1e0::1", "100.101.102.103"],
            [NAME, "http://100.101.102.103:4096", "http://[fd7a:115c:a1e0::1]:4096", "http://192.168.1.5:4096",
             "http://[2001:db8::5]:4096"],
        ),
        # Bound to the tailnet alone.
        ("http://100.101.102.103:4096", [], [NAME, "http://100.101.102.103:4096"]),
        (NAME, [], [NAME]),
        ("http://192.168.1.5:4096", [], ["http://192.168.1.5:4096"]),
    ],
)  # fmt: skip
def test_tailscale_comes_before_the_lan_if_it_answers(
    url: str, answering: list[str], hosts: list[str]
) -> None:
    assert host_list(url, [], answering, LAPTOP) == hosts
    assert host_list(url, ["https://a.example"], answering, LAPTOP) == ["https://a.example", *hosts]


def test_a_tailnet_without_names_has_its_addresses() -> None:
    unnamed = Tailnet(None, LAPTOP.addresses)
    assert host_list(LOOPBACK, [], ["100.101.102.103"], unnamed) == ["http://100.101.102.103:4096"]


addresses = st.lists(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str).filter(lambda ip: not is_local(ip)),
    unique=True, max_size=6,
)  # fmt: skip


@given(addresses, addresses)
def test_only_what_answers_is_named_and_all_of_it_once(answering: list[str], tailnet: list[str]) -> None:
    hosts = host_list(LOOPBACK, [], answering, Tailnet("me.ts.net", tuple(tailnet)))
    named = [urlsplit(url).hostname or "" for url in hosts]
    assert len(named) == len(set(named))
    assert all(urlsplit(url).port == 4096 for url in hosts)
    there = set(answering) & set(tailnet)
    assert set(named) == ({*answering} | ({"me.ts.net"} if there else set()) or {"127.0.0.1"})
    assert named[: len(there) + 1] == (
        ["me.ts.net", *(ip for ip in tailnet if ip in there)] if there else named[:1]
    )


def test_own_addresses_are_usable_as_they_are_and_unique() -> None:
    own = own_addresses()
    assert len(own) == len(set(own))
    for address in own:
        assert not ip_address(address).is_unspecified
        assert not address.startswith("fe80:")
