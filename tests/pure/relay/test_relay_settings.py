"""The environment: every variable read, every fault named, no secret shown."""

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
import trustme

from relay.contract import ApnsEnv
from relay.proxy import Proxy
from relay.server.settings import (
    LOOPBACK,
    OFF,
    VARIABLES,
    Endpoint,
    Settings,
    SettingsError,
    load,
    load_database,
)

Environment = Callable[..., dict[str, str]]

GOOD = {
    "RELAY_LOG": [("json", "json"), (" TEXT ", "text"), ("", "text")],
    "RELAY_LOG_LEVEL": [("warning", "warning"), ("DEBUG", "debug"), ("", "info")],
    "APNS_TRANSPORT": [("lean", "lean"), (" aioapns ", "aioapns"), ("", "lean")],
    "APNS_TEAM_ID": [("TEAM123456", "TEAM123456"), (" abcdef7890 ", "ABCDEF7890")],
    "APNS_KEY_ID": [
        ("KEY1234567", "KEY1234567"),
        ("key1234567", "KEY1234567"),
        ('"KEY1234567"', "KEY1234567"),
    ],
    "APNS_DEFAULT_BUNDLE_ID": [("com.example.app-2", "com.example.app-2")],
    "RELAY_BUNDLE_IDS": [
        ("", frozenset()),
        ("com.example.app", {"com.example.app"}),
        ("com.example.app, com.example.dev", {"com.example.app", "com.example.dev"}),
    ],
    "PORT": [("1", 1), ("65535", 65535), ("", 8787), ("undefined", 8787), ("null", 8787), ("  ", 8787)],
    "RELAY_HOST": [("0.0.0.0", "0.0.0.0"), ("::1", "::1"), ("relay.example", "relay.example")],
    "DATABASE_URL": [
        ("", "sqlite://relay.sqlite3"),
        (
            "sqlite:///var/lib/relay.sqlite3?busy_timeout=100",
            "sqlite:///var/lib/relay.sqlite3?busy_timeout=100",
        ),
        ("sqlite://:memory:", "sqlite://:memory:"),
        ("mysql://u:p%40ss@db:3306/relay", "mysql://u:p%40ss@db:3306/relay"),
        ("mariadb://u@db/relay?charset=utf8mb4", "mysql://u@db/relay?charset=utf8mb4"),
    ],
    "APNS_CA_FILE": [("", None)],
    "APNS_PUSH_DEADLINE": [("0.5", 0.5), ("3600", 3600.0)],
    "RELAY_EVENT_DEADLINE": [("", 5.0), ("1e1", 10.0)],
    "RELAY_DELIVERY_DAYS": [("1", 1), ("3650", 3650)],
    "RELAY_ADMIN_TOKEN": [
        ("", None),
        ("undefined", None),
        ("a" * 32, "a" * 32),
        (f" {'Z-_=+/' * 6} ", "Z-_=+/" * 6),
    ],
    "RELAY_METRICS_PORT": [("", None), ("9464", 9464)],
    "RELAY_METRICS_HOST": [("", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("::1", "::1")],
    "RELAY_PHONE_CARDS": [("", 5), ("8", 8)],
    "RELAY_REGISTRATION": [("", "open"), ("Known", "known")],
    "RELAY_TRUSTED_PROXIES": [
        ("", LOOPBACK),
        ("none", ()),
        ("10.0.0.0/8, 2001:db8::1", (ip_network("10.0.0.0/8"), ip_network("2001:db8::1/128"))),
    ],
    "RELAY_LIMITS": [("", "on"), ("OFF", "off")],
    "RELAY_LIMIT_REQUESTS": [("", 3000), ("0", 0)],
    "RELAY_LIMIT_ADDRESS_REGISTRATIONS": [("", 1200), ("5", 5)],
    "RELAY_LIMIT_ADDRESS_CONNECTIONS": [("", 100), ("0", 0)],
    "RELAY_LIMIT_REGISTRATIONS": [("", 120), ("1", 1)],
    "RELAY_LIMIT_PHONES": [("", 20), ("1000000000", 1_000_000_000)],
    "RELAY_LIMIT_ACTIVITIES": [("", 500), ("0", 0)],
    "RELAY_LIMIT_ANSWERS": [("", 60), ("0", 0)],
    "RELAY_LIMIT_FETCHES": [("", 240), ("0", 0)],
    "RELAY_LIMIT_EVENTS_MINUTE": [("", 600), ("60", 60)],
    "RELAY_LIMIT_EVENTS_DAY": [("", 20_000), ("0", 0)],
    "RELAY_LIMIT_CONNECTIONS": [("", 4096), ("0", 0)],
    "RELAY_LIMIT_BODY": [("", 65_536), ("1024", 1024)],
    "RELAY_LIMIT_BODY_SECONDS": [("", 10.0), ("0", 0.0), ("2.5", 2.5)],
    "RELAY_PHONE_STARTS": [("", 10), ("1000000", 1_000_000)],
}

BAD = {
    "RELAY_REGISTRATION": ["hunter", "closed", "open,known"],
    "RELAY_LOG": ["hunter", "xml", "text,json"],
    "RELAY_LOG_LEVEL": ["hunter", "20", "loud"],
    "APNS_TRANSPORT": ["LEAN", "http2", "hunter"],
    "APNS_TEAM_ID": ["", "undefined", "TEAM12345", "TEAM1234567", "TEAM-23456", "TEAM12345ü"],
    "APNS_KEY_ID": ["", "null", "key", "TEAM123456", "team123456"],
    "APNS_PRIVATE_KEY_FILE": ["/nowhere/hunter.p8", "/", "\0"],
    "APNS_PROXY": [
        "socks5://me:hunter2@proxy:1080",
        "http://",
        "http://me:hunter2@proxy:0",
        "http://proxy:hunter",
    ],
    "APNS_PRIVATE_KEY": [
        "",
        "key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "/etc/key.p8",
    ],
    "APNS_DEFAULT_BUNDLE_ID": ["", "com.example app", "com.example/app", "a" * 156, "com.example.voip"],
    "RELAY_BUNDLE_IDS": [
        "com.example app",
        "com.example.app,",
        ",",
        "com.example.app;com.example.dev",
        "com.example.voip",
    ],
    "PORT": ["0", "65536", "-1", "8787.0", "http", "８７８７", "²"],
    "RELAY_HOST": ["a b", "host/path", "http://host", "x" * 256],
    "DATABASE_URL": [
        *("postgres://u@h/n", "relay.sqlite3", "sqlite:relay.sqlite3"),
        *(f"sqlite://{rest}" for rest in ("", "/", "?busy_timeout=1")),
        *(f"mysql://{rest}" for rest in ("", "host", "host/", "u:p@/name", "u:p@[::1/name")),
        *(f"mysql://u:hunter{letter}2@host/name" for letter in "#/?"),
        *(f"mysql://u:p@host:{port}/name" for port in (99999, 0)),
    ],
    "APNS_HOST_SANDBOX": ["host:0", "host:http", ":443", "a b:443", "http://host:443"],
    "APNS_HOST_PRODUCTION": ["host:70000", "host:"],
    "APNS_CA_FILE": ["/nowhere/ca.pem", "/"],
    "APNS_PUSH_DEADLINE": ["0", "-1", "3601", "ten", "nan", "inf"],
    "RELAY_EVENT_DEADLINE": ["0", "5s"],
    "RELAY_DELIVERY_DAYS": ["0", "1.5", "3651", "-1"],
    "RELAY_ADMIN_TOKEN": ["hunter2", "hunter" * 5 + "2", "hunter 2" * 8, "hünter2" * 8, "hunter2" * 80],
    "RELAY_ADMIN_TOKEN_FILE": ["/nowhere/hunter", "/", "\0", "/dev/null"],
    "RELAY_METRICS_PORT": ["0", "65536", "http"],
    "RELAY_METRICS_HOST": ["a b", "http://host"],
    "RELAY_PHONE_CARDS": ["0", "five", "1000001"],
    "RELAY_TRUSTED_PROXIES": ["hunter", "10.0.0.0/33", "10.0.0.1, hunter", "10.0.0.1-10.0.0.9"],
    "RELAY_LIMITS": ["hunter", "0", "none"],
    "RELAY_LIMIT_REQUESTS": ["hunter", "-1", "1.5"],
    "RELAY_LIMIT_ADDRESS_REGISTRATIONS": ["-1"],
    "RELAY_LIMIT_ADDRESS_CONNECTIONS": ["many"],
    "RELAY_LIMIT_REGISTRATIONS": ["1/s"],
    "RELAY_LIMIT_PHONES": ["1000000001"],
    "RELAY_LIMIT_ACTIVITIES": ["1e3"],
    "RELAY_LIMIT_ANSWERS": ["1e3"],
    "RELAY_LIMIT_FETCHES": ["1e3"],
    "RELAY_LIMIT_EVENTS_MINUTE": ["off"],
    "RELAY_LIMIT_EVENTS_DAY": ["-5"],
    "RELAY_LIMIT_CONNECTIONS": ["x"],
    "RELAY_LIMIT_BODY": ["64k"],
    "RELAY_LIMIT_BODY_SECONDS": ["-1", "10s", "3601"],
    "RELAY_PHONE_STARTS": ["0", "-1"],
}


@pytest.fixture
def environment(environment: Environment) -> Environment:
    """The least that a relay needs, with the limits as they are unless somebody sets them."""

    def build(**changes: str) -> dict[str, str]:
        return {name: text for name, text in environment().items() if name != "RELAY_LIMITS"} | changes

    return build


def test_without_limits_those_by_secret_and_address_are_0(environment: Environment) -> None:
    settings = load(environment(RELAY_LIMITS="off", RELAY_LIMIT_PHONES="7"))
    assert {getattr(settings, name) for name in OFF} == {0}
    limits = {name.lower() for name in VARIABLES if name.startswith("RELAY_LIMIT_")}
    assert limits - set(OFF) == {"relay_limit_connections", "relay_limit_body", "relay_limit_body_seconds"}
    assert settings.relay_limit_connections == 4096


def test_the_least_environment(environment: Environment, private_key: str) -> None:
    settings = load(environment())
    assert settings == Settings(
        apns_team_id="TEAM123456",
        apns_key_id="KEY1234567",
        apns_private_key=settings.apns_private_key,
        apns_default_bundle_id="com.example.app",
        relay_bundle_ids=frozenset(),
        port=8787,
        relay_host="127.0.0.1",
        database_url="sqlite://relay.sqlite3",
        apns_hosts={
            "sandbox": Endpoint("api.sandbox.push.apple.com", 443),
            "production": Endpoint("api.push.apple.com", 443),
        },
        apns_ca_file=None,
        apns_transport="lean",
        relay_event_deadline=5.0,
        apns_push_deadline=10.0,
        relay_delivery_days=30,
        relay_phone_cards=5,
        relay_phone_starts=10,
    )
    assert settings.apns_private_key.strip() == private_key.strip()


@pytest.mark.parametrize(
    ("name", "text", "value"), [(n, t, v) for n, cases in GOOD.items() for t, v in cases]
)
def test_good_values(environment: Environment, name: str, text: str, value: object) -> None:
    assert getattr(load(environment(**{name: text})), name.lower()) == value


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_bad_values_are_named_and_not_repeated(environment: Environment, name: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environment(**{name: text}))
    message = str(caught.value)
    assert message.startswith(f"{name} ")
    assert "hunter" not in message
    assert "\n" not in message


@pytest.mark.parametrize("env", ["sandbox", "production"])
@pytest.mark.parametrize(
    ("text", "endpoint"),
    {
        "localhost:2197": ("localhost", 2197),
        "localhost": ("localhost", 443),
        "[::1]:2197": ("::1", 2197),
    }.items(),
)
def test_hosts(environment: Environment, env: str, text: str, endpoint: tuple[str, int]) -> None:
    assert load(environment(**{f"APNS_HOST_{env.upper()}": text})).apns_hosts[env] == endpoint


def test_a_ca_file(environment: Environment, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    assert load(environment(APNS_CA_FILE=f"{tmp_path}/ca.pem")).apns_ca_file == tmp_path / "ca.pem"
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(SettingsError, match="APNS_CA_FILE must name a readable file of PEM certificates"):
        load(environment(APNS_CA_FILE=f"{tmp_path}/ca.pem"))


def test_one_message_names_all_faults() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"PORT": "x", "RELAY_DELIVERY_DAYS": "y"})
    required = {name for name, variable in VARIABLES.items() if variable.default is None}
    named = {fault.split()[0] for fault in str(caught.value).split("; ")}
    assert named == required | {"PORT", "RELAY_DELIVERY_DAYS"}


def test_secrets_do_not_show(environment: Environment, private_key: str) -> None:
    settings = load(
        environment(DATABASE_URL="mysql://u:hunter2@h/n", APNS_PROXY="http://me:hunter2@proxy.example:3128")
    )
    assert "hunter2" not in repr(settings)
    assert private_key.splitlines()[1] not in repr(settings)


def test_every_variable_is_tried_here_and_explained() -> None:
    hosts = {"APNS_HOST_SANDBOX", "APNS_HOST_PRODUCTION"}
    assert set(VARIABLES) == set(BAD)
    files = {"APNS_PRIVATE_KEY_FILE", "RELAY_ADMIN_TOKEN_FILE"}
    assert set(VARIABLES) == set(GOOD) | hosts | files | {"APNS_PRIVATE_KEY", "APNS_PROXY"}
    assert all(variable.about for variable in VARIABLES.values())


def test_the_admin_token_in_a_file(environment: Environment, tmp_path: Path) -> None:
    file, token = tmp_path / "token", "hunter2" * 5
    file.write_text(f"{token}\n")
    settings = load(environment(RELAY_ADMIN_TOKEN_FILE=str(file)))
    assert settings.relay_admin_token == token
    assert "hunter2" not in repr(settings)
    with pytest.raises(
        SettingsError, match=r"^RELAY_ADMIN_TOKEN_FILE is set, and so is RELAY_ADMIN_TOKEN"
    ) as twice:
        load(environment(RELAY_ADMIN_TOKEN_FILE=str(file), RELAY_ADMIN_TOKEN=token))
    file.write_text("hunter2")
    with pytest.raises(
        SettingsError, match=r"^RELAY_ADMIN_TOKEN_FILE names a file whose text must be"
    ) as short:
        load(environment(RELAY_ADMIN_TOKEN_FILE=str(file)))
    assert "hunter2" not in f"{twice.value}{short.value}"


# The proxy to APNs.

PROXY = Proxy("proxy.example", 3128)
VALUE = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("variables", "through"),
    [
        ({}, set()),
        ({"HTTPS_PROXY": VALUE}, {"sandbox", "production"}),
        ({"APNS_PROXY": VALUE, "HTTPS_PROXY": "http://other.example"}, {"sandbox", "production"}),
        ({"https_proxy": VALUE, "NO_PROXY": "api.push.apple.com"}, {"sandbox"}),
        ({"HTTPS_PROXY": VALUE, "APNS_HOST_SANDBOX": "127.0.0.1:2197"}, {"production"}),
        ({"HTTPS_PROXY": VALUE, "APNS_HOST_SANDBOX": "[::1]:2197"}, {"production"}),
        ({"HTTPS_PROXY": VALUE, "APNS_HOST_SANDBOX": "[2001:db8::1]:2197"}, {"sandbox", "production"}),
        ({"HTTP_PROXY": VALUE}, set()),
    ],
)
def test_a_proxy(environment: Environment, variables: dict[str, str], through: set[ApnsEnv]) -> None:
    assert load(environment(**variables)).apns_proxies == dict.fromkeys(through, PROXY)


def test_a_wrong_https_proxy_is_named(environment: Environment) -> None:
    with pytest.raises(SettingsError, match=r"^HTTPS_PROXY must be http://HOST:PORT"):
        load(environment(HTTPS_PROXY="socks5://me:hunter2@proxy.example"))


def test_aioapns_goes_through_none_and_says_so(environment: Environment) -> None:
    with pytest.raises(SettingsError, match="APNS_TRANSPORT aioapns goes through no proxy"):
        load(environment(APNS_TRANSPORT="aioapns", HTTPS_PROXY=VALUE))
    load(environment(APNS_TRANSPORT="aioapns", HTTPS_PROXY=VALUE, NO_PROXY="push.apple.com"))


def test_a_command_that_only_looks_into_the_database_needs_no_key() -> None:
    found = load_database({"DATABASE_URL": "mariadb://relay@127.0.0.1/relay"})
    assert found == ("mysql://relay@127.0.0.1/relay", "open")
    assert load_database({}).database_url == "sqlite://relay.sqlite3"
    with pytest.raises(SettingsError, match=r"^DATABASE_URL must begin with .*; RELAY_REGISTRATION must be"):
        load_database({"DATABASE_URL": "postgres://x", "RELAY_REGISTRATION": "shut"})
