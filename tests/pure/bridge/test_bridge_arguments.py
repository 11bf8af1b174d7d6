"""From the command line and the environment to the bridge's options."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest

from relay.bridge.errors import OptionError
from relay.bridge.options import (
    BridgeOptions,
    add_bridge_arguments,
    add_pair_arguments,
    add_pairing_arguments,
    bridge_options,
    pairing_options,
)


def options(*words: str, **environment: str) -> BridgeOptions:
    parser = ArgumentParser()
    add_bridge_arguments(parser, environment.get)
    return bridge_options(parser.parse_args(words))


def test_without_anything_opencode_is_looked_for_and_the_relay_is_on_this_machine() -> None:
    assert options() == BridgeOptions(None, "http://127.0.0.1:8787", port=4097)


FIRST = "OPENCODE_EXPERIMENTAL_PUSH_"


@pytest.mark.parametrize(
    ("words", "environment", "name", "value"),
    [
        (["--relay-url", "http://a"], {f"{FIRST}RELAY_URL": "http://b"}, "relay_url", "http://a"),
        ([], {f"{FIRST}RELAY_URL": "http://b"}, "relay_url", "http://b"),
        ([], {"RELAY_URL": "http://a", f"{FIRST}RELAY_URL": "http://b"}, "relay_url", "http://a"),
        ([], {f"{FIRST}RELAY_URL": "undefined"}, "relay_url", "http://127.0.0.1:8787"),
        (["--relay-secret", "a"], {"RELAY_SECRET": "b"}, "relay_secret", "a"),
        ([], {"RELAY_SECRET": "b", f"{FIRST}RELAY_SECRET": "c"}, "relay_secret", "b"),
        ([], {"RELAY_SECRET": " ", f"{FIRST}RELAY_SECRET": "c"}, "relay_secret", "c"),
        ([], {"RELAY_SECRET": "null"}, "relay_secret", None),
        (["--secret-file", "/x/y"], {}, "secret_file", Path("/x/y")),
        ([], {"OPENCODE_SERVER_USERNAME": "me", "OPENCODE_SERVER_PASSWORD": "p"}, "username", "me"),
        ([], {"OPENCODE_SERVER_PASSWORD": "p"}, "password", "p"),
        ([], {"OPENCODE_PASSWORD": "q", "OPENCODE_SERVER_PASSWORD": "p"}, "password", "q"),  # as OpenCode 2 itself
        (["--password", "q"], {"OPENCODE_SERVER_PASSWORD": "p"}, "password", "q"),
        (["--permission-delay", "0.5"], {}, "permission_delay", 0.5),
        ([], {}, "retry_alert", 300.0),
        (["--retry-alert", "0"], {}, "retry_alert", 0.0),
        (["--port", "0"], {}, "port", 0),
        ([], {}, "alerts", {"complete", "permission", "error"}),
        (["--alerts", "error, permission"], {}, "alerts", {"permission", "error"}),
        (["--alerts", ""], {}, "alerts", set()),
    ],
)  # fmt: skip
def test_a_flag_wins_over_a_variable(
    words: list[str], environment: dict[str, str], name: str, value: Any
) -> None:
    assert getattr(options(*words, **environment), name) == value


def test_advertised_hosts_are_those_of_the_flags_and_then_those_of_the_environment() -> None:
    given = options("--advertise-host", "a", "--advertise-host=b", **{f"{FIRST}ADVERTISE_HOSTS": "c, d"})
    assert given.advertise_hosts == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("option", "value"),
    [*(("--permission-delay", value) for value in ("-1", "nan", "inf", "soon")), *(("--port", value) for value in ("-1", "65536", "x"))],
)  # fmt: skip
def test_a_number_that_is_none_is_named(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(option, value)
    assert f"{option}: " in capsys.readouterr().err


def test_an_alert_that_there_is_not_is_named() -> None:
    with pytest.raises(OptionError, match="there is ring"):
        options("--alerts", "complete,ring")


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ([], None),
        (["--start-opencode"], ()),
        (["--start-opencode", "--", "--hostname", "0.0.0.0"], ("--hostname", "0.0.0.0")),
    ],
)
def test_what_follows_two_hyphens_is_for_opencode(
    words: list[str], arguments: tuple[str, ...] | None
) -> None:
    assert options(*words).opencode_arguments == arguments


def test_words_for_an_opencode_that_is_not_started_are_refused() -> None:
    with pytest.raises(OptionError, match="--start-opencode"):
        options("--", "--hostname", "0.0.0.0")


def test_secrets_do_not_show() -> None:
    given = repr(options("--relay-secret", "geheim", "--password", "kennwort"))
    assert "geheim" not in given
    assert "kennwort" not in given


def test_the_help_shows_no_secret() -> None:
    parser = ArgumentParser()
    add_bridge_arguments(parser, {"RELAY_SECRET": "geheim", "OPENCODE_SERVER_PASSWORD": "kennwort"}.get)
    assert "geheim" not in parser.format_help()
    assert "kennwort" not in parser.format_help()


def test_a_pairing_takes_the_same_words_but_not_how_the_bridge_works() -> None:
    parser = ArgumentParser()
    add_pairing_arguments(parser, {}.get)
    assert pairing_options(parser.parse_args(["--relay-url", "http://a"])).relay_url == "http://a"
    with pytest.raises(SystemExit):
        parser.parse_args(["--alerts", "error"])


def test_relay_pair_can_write_a_picture_and_renew_the_secret() -> None:
    parser = ArgumentParser()
    add_pair_arguments(parser, {}.get)
    plain = parser.parse_args([])
    assert (plain.output, plain.rotate_secret) == (None, False)
    given = parser.parse_args(["--output", "pair.png", "--rotate-secret"])
    assert (given.output, given.rotate_secret) == (Path("pair.png"), True)
    assert pairing_options(given) == pairing_options(plain)
