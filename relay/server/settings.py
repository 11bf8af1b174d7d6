"""Environment -> one frozen Settings, or one message that names every variable that is missing or wrong."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from relay.contract import ApnsEnv
from relay.errors import CommandError
from relay.log import FORMS, LEVELS
from relay.proxy import Proxy, ProxyError, proxy_for
from relay.server.addresses import Networks, read_networks
from relay.server.setting_values import (
    FAULTY,
    Endpoint,
    WrongValue,
    as_admin_token,
    as_admin_token_file,
    as_bundle_id,
    as_bundle_ids,
    as_ca_file,
    as_count,
    as_count_or_off,
    as_database_url,
    as_days,
    as_endpoint,
    as_host,
    as_identifier,
    as_key_file,
    as_networks,
    as_one_of,
    as_port,
    as_port_or_none,
    as_private_key,
    as_proxy,
    as_seconds,
    as_seconds_or_off,
    as_transport,
)

LOOPBACK: Final = read_networks("127.0.0.0/8,::1")


class SettingsError(CommandError):
    """The environment cannot be used; the text lists every variable and what was expected of it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is configured. The private key never shows in a repr."""

    apns_team_id: str
    apns_key_id: str
    apns_private_key: str = field(repr=False)
    apns_default_bundle_id: str
    relay_bundle_ids: frozenset[str]
    port: int
    relay_host: str
    database_url: str = field(repr=False)
    apns_hosts: Mapping[ApnsEnv, Endpoint]
    apns_ca_file: Path | None
    apns_transport: Literal["lean", "aioapns"]
    relay_event_deadline: float
    apns_push_deadline: float
    relay_delivery_days: int
    relay_registration: str = "open"
    traces: bool = False
    """Whether OpenTelemetry's variables want spans exported; whatever else they say, its SDK reads itself."""
    relay_phone_cards: int = 5
    relay_phone_starts: int = 10
    relay_log_level: str = "info"
    relay_log: str = "text"
    relay_admin_token: str | None = field(default=None, repr=False)
    relay_metrics_port: int | None = None
    relay_metrics_host: str = "127.0.0.1"
    relay_trusted_proxies: Networks = LOOPBACK
    relay_limits: str = "on"
    relay_limit_requests: int = 3000
    relay_limit_address_registrations: int = 1200
    relay_limit_address_connections: int = 100
    relay_limit_registrations: int = 120
    relay_limit_phones: int = 20
    relay_limit_activities: int = 500
    relay_limit_answers: int = 60
    relay_limit_fetches: int = 240
    relay_limit_events_minute: int = 600
    relay_limit_events_day: int = 20000
    relay_limit_connections: int = 4096
    relay_limit_body: int = 64 * 1024
    relay_limit_body_seconds: float = 10.0
    apns_proxies: Mapping[ApnsEnv, Proxy] = field(default_factory=dict)
    """Of an environment that is reached directly there is none."""


def _proxies(
    hosts: Mapping[ApnsEnv, Endpoint], own: Proxy | None, transport: str, environment: Mapping[str, str]
) -> dict[ApnsEnv, Proxy]:
    """The way to each environment. Raises ProxyError, which names the variable."""
    urls = {env: f"https://{Proxy(*endpoint)}" for env, endpoint in hosts.items()}
    found = {env: proxy_for(url, environment, own) for env, url in urls.items()}
    proxies = {env: proxy for env, proxy in found.items() if proxy}
    if transport == "aioapns" and proxies:
        raise ProxyError(
            "APNS_TRANSPORT aioapns goes through no proxy: take lean, or name APNs' hosts in NO_PROXY"
        )
    return proxies


class Variable(NamedTuple):
    """One environment variable: its default (None: required), how it is read, what it is for."""

    default: str | None
    read: Callable[[str], Any]
    about: str


VARIABLES: dict[str, Variable] = {
    "APNS_TEAM_ID": Variable(None, as_identifier, "the 10 characters of your Apple developer team"),
    "APNS_KEY_ID": Variable(None, as_identifier, "the 10 characters of your APNs key"),
    "APNS_PRIVATE_KEY": Variable(None, as_private_key, "the text of the key's .p8 file: PEM, on one line with \\n, or base64"),
    "APNS_PRIVATE_KEY_FILE": Variable("", lambda text: as_key_file(text) if text else None, "or the path of that file"),
    "APNS_DEFAULT_BUNDLE_ID": Variable(None, as_bundle_id, "the app, for phones that do not name theirs"),
    "RELAY_BUNDLE_IDS": Variable("", as_bundle_ids, "the apps that phones may register, with commas between; empty: any"),
    "RELAY_REGISTRATION": Variable("open", as_one_of(("open", "known")), "open: every secret is taken; known: only those of relay secret add"),
    "PORT": Variable("8787", as_port, "where the relay listens"),
    "RELAY_HOST": Variable("127.0.0.1", as_host, "the address it listens on; 0.0.0.0 for all"),
    "DATABASE_URL": Variable("sqlite://relay.sqlite3", as_database_url, "sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME"),
    "APNS_HOST_SANDBOX": Variable("api.sandbox.push.apple.com:443", as_endpoint, "host:port for development tokens"),
    "APNS_HOST_PRODUCTION": Variable("api.push.apple.com:443", as_endpoint, "host:port for App Store and TestFlight tokens"),
    "APNS_CA_FILE": Variable("", as_ca_file, "CA to trust instead of the system's, for a sandbox"),
    "APNS_TRANSPORT": Variable("lean", as_transport, "lean: the relay's own HTTP/2; aioapns: that of the package"),
    "APNS_PROXY": Variable("", as_proxy, "http://[USER:PASSWORD@]HOST:PORT, the proxy to APNs (else HTTPS_PROXY; none to the hosts in NO_PROXY)"),
    "APNS_PUSH_DEADLINE": Variable("10", as_seconds, "seconds until an unanswered push counts as maybe sent"),
    "RELAY_EVENT_DEADLINE": Variable("5", as_seconds, "seconds after which /v1/event answers and reports the rest as queued"),
    "RELAY_PHONE_CARDS": Variable("5", as_count, "Live Activities of one app that a phone shows at once; a start beyond waits"),
    "RELAY_PHONE_STARTS": Variable("10", as_count, "starts by push that a phone takes within an hour; those beyond wait"),
    "RELAY_ADMIN_TOKEN": Variable("", as_admin_token, "opens /admin to whoever types it, and /metrics and the counts of /health to whoever sends it (Authorization: Bearer); 32 characters or more; empty: closed"),
    "RELAY_ADMIN_TOKEN_FILE": Variable("", as_admin_token_file, "or the path of a file that holds it"),
    "RELAY_METRICS_PORT": Variable("", as_port_or_none, "a port of its own on which /metrics needs no token; empty: none"),
    "RELAY_METRICS_HOST": Variable("127.0.0.1", as_host, "the address of that port; whoever reaches it reads the metrics"),
    "RELAY_TRUSTED_PROXIES": Variable("127.0.0.0/8,::1", as_networks, "addresses and networks of the proxies whose X-Forwarded-For or Forwarded says who the client is; none: nobody's"),
    "RELAY_LIMITS": Variable("on", as_one_of(("on", "off")), "off: none of the limits for a secret or an address, for load tests and simulations"),
    "RELAY_LIMIT_REQUESTS": Variable("3000", as_count_or_off, "requests a minute from one client address; 0, here and below: no limit"),
    "RELAY_LIMIT_ADDRESS_REGISTRATIONS": Variable("1200", as_count_or_off, "registrations of phones and Live Activities an hour from one client address"),
    "RELAY_LIMIT_ADDRESS_CONNECTIONS": Variable("100", as_count_or_off, "connections, and requests that are being answered, of one client address at once"),
    "RELAY_LIMIT_REGISTRATIONS": Variable("120", as_count_or_off, "requests of phones and Live Activities a minute under one secret"),
    "RELAY_LIMIT_PHONES": Variable("20", as_count_or_off, "phones of one secret"),
    "RELAY_LIMIT_ACTIVITIES": Variable("500", as_count_or_off, "Live Activities of one secret at once"),
    "RELAY_LIMIT_ANSWERS": Variable("60", as_count_or_off, "answers of phones in a minute, of one secret"),
    "RELAY_LIMIT_FETCHES": Variable("240", as_count_or_off, "how often in a minute a secret's bridge may ask for answers"),
    "RELAY_LIMIT_EVENTS_MINUTE": Variable("600", as_count_or_off, "events a minute of one secret; the last fifth is for alerts, as of a day's"),
    "RELAY_LIMIT_EVENTS_DAY": Variable("20000", as_count_or_off, "events a day of one secret, which come back evenly over the day"),
    "RELAY_LIMIT_CONNECTIONS": Variable("4096", as_count_or_off, "connections in all at once; each further one costs that which has been silent longest"),
    "RELAY_LIMIT_BODY": Variable("65536", as_count_or_off, "bytes of a request's body"),
    "RELAY_LIMIT_BODY_SECONDS": Variable("10", as_seconds_or_off, "seconds that a body may take to arrive"),
    "RELAY_DELIVERY_DAYS": Variable("30", as_days, "days that the row of a finished push stays in delivery_log"),
    "RELAY_LOG_LEVEL": Variable("info", as_one_of(LEVELS), "what the log holds: debug, info, warning or error, and what is worse"),
    "RELAY_LOG": Variable("text", as_one_of(FORMS), "text: key=value; json: one JSON object a line. Times are UTC"),
}  # fmt: skip

OFF: Final = (
    *("relay_limit_requests", "relay_limit_address_registrations", "relay_limit_address_connections"),
    *("relay_limit_registrations", "relay_limit_phones", "relay_limit_activities"),
    *("relay_limit_answers", "relay_limit_fetches"),
    *("relay_limit_events_minute", "relay_limit_events_day"),
)
"""What RELAY_LIMITS=off sets to 0."""

_NOTHING = {"", "undefined", "null"}
"""The first implementation took these words, left behind by shells and CI systems, as "not set"."""


def _read(name: str, environment: Mapping[str, str]) -> Any:
    text = environment.get(name, "").strip()
    variable = VARIABLES[name]
    if text in _NOTHING:
        if variable.default is None:
            raise WrongValue(f"is missing: {variable.about}")
        text = variable.default
    return variable.read(text)


def _read_all(
    environment: Mapping[str, str], wrong: list[str], names: Iterable[str] = VARIABLES
) -> dict[str, Any]:
    """These variables, or every one; what is wrong is added to `wrong`."""
    values: dict[str, Any] = {}
    for name in names:
        try:
            values[name.lower()] = _read(name, environment)
        except WrongValue as error:
            wrong.append(f"{name} {error}")
    return values


def _one_key(values: dict[str, Any], wrong: list[str]) -> None:
    """The text or the file, and of two ids what can be seen: whether each is where it belongs."""
    of_file = values.pop("apns_private_key_file", FAULTY)
    missing = next((fault for fault in wrong if fault.startswith("APNS_PRIVATE_KEY is missing")), None)
    if of_file and missing:
        wrong.remove(missing)
        values["apns_private_key"] = of_file
    elif of_file and of_file is not FAULTY:
        wrong.append("APNS_PRIVATE_KEY_FILE is set, and so is APNS_PRIVATE_KEY: keep one of them")
    key, key_id = values.get("apns_private_key"), values.get("apns_key_id")
    if key and key_id and key.id_of_file not in (None, key_id):
        wrong.append("APNS_KEY_ID is not the id in the file's name: AuthKey_ID.p8, as Apple named it")
    if key_id and key_id == values.get("apns_team_id"):
        wrong.append(
            "APNS_KEY_ID is the same as APNS_TEAM_ID: Apple shows the one with the key, the other as membership"
        )
    if key:
        values["apns_private_key"] = key.pem


NAME: Final = 23
"""Characters of the column of names; a longer one has a line of its own."""


def in_help() -> str:
    """The settings for `relay serve --help`."""
    lines = ["settings, from the environment:"]
    for name, one in VARIABLES.items():
        default = "required" if one.default is None else f"default {one.default}" if one.default else ""
        name_alone = [f"  {name}"] if len(name) > NAME else []
        lines += [*name_alone, f"  {'' if name_alone else name:<{NAME}} {one.about}"]
        lines += [f"{'':<{NAME + 3}}{default}"] if default else []
    return "\n".join(lines) + "\n"


def _one_admin_token(values: dict[str, Any], wrong: list[str]) -> None:
    """The text or the file."""
    if of_file := values.pop("relay_admin_token_file", None):
        if values.get("relay_admin_token"):
            wrong.append("RELAY_ADMIN_TOKEN_FILE is set, and so is RELAY_ADMIN_TOKEN: keep one of them")
        values["relay_admin_token"] = of_file


def _wants_traces(environment: Mapping[str, str]) -> bool:
    """As OpenTelemetry's specification has it, but for its default: nothing is sent to this machine's port 4318 unless somebody says so."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if exporter := environment.get("OTEL_TRACES_EXPORTER", "").strip().lower():
        return exporter != "none"
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(environment.get(name, "").strip() for name in endpoints)


def _wrong_of_traces(environment: Mapping[str, str]) -> list[str]:
    exporters = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    known = {one.strip() for one in exporters.split(",")} <= {"otlp", "console"}
    protocols = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
    other = [name for name in protocols if environment.get(name, "").strip() not in ("", "http/protobuf")]
    return [
        *([] if known else ["OTEL_TRACES_EXPORTER must be otlp, console or none"]),
        *(
            f"{name} must be http/protobuf, the one that the relay speaks; or OTEL_SDK_DISABLED true"
            for name in other
        ),
    ]


def load(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`. Raises SettingsError naming every variable at fault."""
    wrong: list[str] = []
    values = _read_all(environment, wrong)
    _one_key(values, wrong)
    _one_admin_token(values, wrong)
    traces = _wants_traces(environment)
    if traces:
        wrong += _wrong_of_traces(environment)
    if wrong:
        raise SettingsError("; ".join(wrong))
    if values["relay_limits"] == "off":
        values |= dict.fromkeys(OFF, 0)
    hosts: dict[ApnsEnv, Endpoint] = {
        "sandbox": values.pop("apns_host_sandbox"),
        "production": values.pop("apns_host_production"),
    }
    try:
        proxies = _proxies(hosts, values.pop("apns_proxy"), values["apns_transport"], environment)
    except ProxyError as error:
        raise SettingsError(str(error)) from None
    return Settings(apns_hosts=hosts, apns_proxies=proxies, traces=traces, **values)


class DatabaseSettings(NamedTuple):
    """What a command needs that looks into the database and pushes nothing."""

    database_url: str
    relay_registration: str


def load_database(environment: Mapping[str, str]) -> DatabaseSettings:
    """The same of these two variables alone, so that an operator needs no key at hand. Raises SettingsError."""
    wrong: list[str] = []
    values = _read_all(environment, wrong, [name.upper() for name in DatabaseSettings._fields])
    if wrong:
        raise SettingsError("; ".join(wrong))
    return DatabaseSettings(**values)
