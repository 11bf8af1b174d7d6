"""Whose request it is: behind which proxies, in which header, and what of it nobody can make up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.server.addresses import Clients, NetworksError, forwards, read_networks

PROXIES = read_networks("10.0.0.0/8, ::1, 2001:db8:ffff::/48")


def name(peer: str, *headers: tuple[str, str], trusted: str | None = None) -> str:
    networks = PROXIES if trusted is None else read_networks(trusted)
    return Clients(networks).name(peer, [(key.encode(), value.encode("latin-1")) for key, value in headers])


FORWARDED_FOR = "x-forwarded-for"


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", [(FORWARDED_FOR, "198.51.100.7")], "192.0.2.1"),  # anybody can write that
        ("10.1.1.1", [], "10.1.1.1"),
        ("10.1.1.1", [(FORWARDED_FOR, "198.51.100.7")], "198.51.100.7"),
        ("10.1.1.1", [(FORWARDED_FOR, "1.1.1.1, 198.51.100.7, 10.2.2.2")], "198.51.100.7"),
        ("10.1.1.1", [(FORWARDED_FOR, "1.1.1.1"), (FORWARDED_FOR, "198.51.100.7")], "198.51.100.7"),
        ("10.1.1.1", [(FORWARDED_FOR, "198.51.100.7:4711")], "198.51.100.7"),
        ("10.1.1.1", [(FORWARDED_FOR, "[2001:db8:1:2:3::4]:4711")], "2001:db8:1:2::/64"),
        ("10.1.1.1", [(FORWARDED_FOR, "2001:db8:1:2:3::4")], "2001:db8:1:2::/64"),
        ("10.1.1.1", [(FORWARDED_FOR, "10.3.3.3, 10.2.2.2")], "10.3.3.3"),  # all of them proxies
        ("10.1.1.1", [(FORWARDED_FOR, "198.51.100.7, unknown, 10.2.2.2")], "10.2.2.2"),
        ("10.1.1.1", [(FORWARDED_FOR, "")], "10.1.1.1"),
        ("10.1.1.1", [(FORWARDED_FOR, "\xff\xfe")], "10.1.1.1"),
        ("10.1.1.1", [("forwarded", "for=198.51.100.7;proto=https")], "198.51.100.7"),
        ("10.1.1.1", [("forwarded", 'proto=https;For="[2001:db8:1:2::7]:80", for=10.2.2.2')], "2001:db8:1:2::/64"),
        ("10.1.1.1", [("forwarded", "for=1.1.1.1"), ("forwarded", 'for="198.51.100.7"')], "198.51.100.7"),
        ("10.1.1.1", [("forwarded", "proto=https")], "10.1.1.1"),
        ("10.1.1.1", [("forwarded", "for=_hidden")], "10.1.1.1"),
        ("10.1.1.1", [("forwarded", "for=1.1.1.1"), (FORWARDED_FOR, "198.51.100.7")], "198.51.100.7"),
        ("::1", [(FORWARDED_FOR, "198.51.100.7")], "198.51.100.7"),
        ("::ffff:10.1.1.1", [(FORWARDED_FOR, "::ffff:198.51.100.7")], "198.51.100.7"),
        ("2001:db8:ffff::9", [(FORWARDED_FOR, "198.51.100.7")], "198.51.100.7"),
        ("2001:db8::9", [(FORWARDED_FOR, "198.51.100.7")], "2001:db8::/64"),
        ("", [], ""),
        ("a.socket", [(FORWARDED_FOR, "198.51.100.7")], "a.socket"),
    ],
)  # fmt: skip
def test_the_client_is_the_first_that_is_no_proxy(
    peer: str, headers: list[tuple[str, str]], client: str
) -> None:
    assert name(peer, *headers) == client


def test_of_the_addresses_of_a_household_all_are_one() -> None:
    assert name("2001:db8:1:2:aaaa::1") == name("2001:db8:1:2:bbbb::2") != name("2001:db8:1:3::1")


@given(made_up=st.text(alphabet='0123456789abcdef:., []"=;for', max_size=60))
def test_what_a_client_makes_up_changes_nothing(made_up: str) -> None:
    """The proxy adds the client's own address behind it."""
    assert name("10.1.1.1", (FORWARDED_FOR, f"{made_up}, 198.51.100.7")) == "198.51.100.7"
    assert name("198.51.100.7", (FORWARDED_FOR, made_up), ("forwarded", made_up)) == "198.51.100.7"


def test_a_header_without_end_is_read_from_its_end() -> None:
    assert name("10.1.1.1", (FORWARDED_FOR, "10.9.9.9, " * 5000 + "198.51.100.7")) == "198.51.100.7"
    assert name("10.1.1.1", (FORWARDED_FOR, "1.1.1.1, " + "10.9.9.9, " * 50 + "10.8.8.8")) == "10.9.9.9"


def test_nobody_is_trusted() -> None:
    assert name("127.0.0.1", (FORWARDED_FOR, "198.51.100.7"), trusted="") == "127.0.0.1"
    assert not Clients(()).trusts("127.0.0.1")


def test_a_list_that_is_none() -> None:
    with pytest.raises(NetworksError, match=r"^10\.0\.0\.0/33$"):
        read_networks("10.0.0.1, 10.0.0.0/33")
    assert [str(one) for one in read_networks("10.1.2.3/8,,::1")] == ["10.0.0.0/8", "::1/128"]


def test_whether_somebody_stands_in_between() -> None:
    assert forwards([(b"x-forwarded-for", b"1.1.1.1")])
    assert forwards([(b"forwarded", b"for=1.1.1.1")])
    assert not forwards([(b"host", b"relay")])
