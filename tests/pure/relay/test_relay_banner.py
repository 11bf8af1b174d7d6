"""What a relay says of itself when it is up."""

from collections.abc import Callable
from pathlib import Path

import pytest

from relay.server.banner import banner, database_words, reach_words
from relay.server.settings import load


def test_five_lines_below_the_address(environment: Callable[..., dict[str, str]]) -> None:
    settings = load(environment(APNS_HOST_SANDBOX="127.0.0.1:2197", RELAY_HOST="0.0.0.0", PORT="8787"))
    first, *lines = banner(settings, 3).splitlines()
    assert first.endswith("listens at http://0.0.0.0:8787   (Ctrl-C stops)")
    assert [line.split()[0] for line in lines] == ["database", "apns", "key", "phones", "reach"]
    assert lines[1].split(None, 1)[1] == "api.push.apple.com and 127.0.0.1:2197"
    assert lines[2].split(None, 1)[1] == "KEY1234567 of team TEAM123456, for com.example.app"
    assert lines[3].split(None, 1)[1] == "3"
    assert all(len(line) <= 80 for line in lines[1:])


def test_that_only_the_operators_secrets_are_taken(environment: Callable[..., dict[str, str]]) -> None:
    *_, last = banner(load(environment(RELAY_REGISTRATION="known")), 0).splitlines()
    assert last == "secrets   only those of relay secret list (RELAY_REGISTRATION is known)"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///var/lib/relay.sqlite3?x=1", "SQLite, /var/lib/relay.sqlite3"),
        ("sqlite://relay.sqlite3", f"SQLite, {Path.cwd()}/relay.sqlite3"),
        ("mysql://me:geheim@db:3306/relay", "MySQL at db:3306/relay"),
    ],
)
def test_the_database_without_its_password(url: str, words: str) -> None:
    assert database_words(url) == words


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("127.0.0.1", "this machine only"),
        ("localhost", "this machine only"),
        ("[::1]", "this machine only"),
        ("0.0.0.0", "everybody who reaches this machine; put TLS"),
        ("[::]", "everybody who reaches this machine; put TLS"),
        ("10.0.0.5", "everybody who reaches 10.0.0.5; put TLS"),
        ("relay.home", "everybody who reaches relay.home; put TLS"),
    ],
)
def test_who_can_reach_it(host: str, words: str) -> None:
    assert reach_words(host).startswith(words)
