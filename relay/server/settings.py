"""Environment -> one frozen Settings, or one message that names every variable that is missing or wrong."""

import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from relay.contract import ApnsEnv
from relay.errors import CommandError
from relay.fields import is_bundle_id
from relay.log import FORMS, LEVELS
from relay.proxy import Proxy, ProxyError, proxy_for, read_proxy
from relay.server.addresses import Networks, NetworksError, read_networks
from relay.server.apns_key import KeyTextError, is_path, key_id_of, read_key

LOOPBACK: Final = read_networks("127.0.0.0/8,::1")


class SettingsError(CommandError):
    """The environment cannot be used; the text lists every variable and what was expected of it."""


class Endpoint(NamedTuple):
    """Where an APNs environment listens."""

    host: str
    port: int


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


class _WrongError(ValueError):
    """What was expected of one variable."""


def _identifier(text: str) -> str:
    """Apple shows capital letters; a small one can only mean its capital."""
    if not re.fullmatch(r"[A-Za-z0-9]{10}", identifier := text.strip("\"'")):
        raise _WrongError("must be the 10 letters and digits that Apple shows")
    return identifier.upper()


def _bundle_id(text: str) -> str:
    if not is_bundle_id(text):
        raise _WrongError("must be a bundle id such as com.example.app, without a topic suffix such as .voip")
    return text


def _bundle_ids(text: str) -> frozenset[str]:
    return frozenset(_bundle_id(one.strip()) for one in text.split(",")) if text else frozenset()


class _Key(NamedTuple):
    """The PEM text, and the id in the name of the file that it came from."""

    pem: str
    id_of_file: str | None = None


_FAULTY: Final = _Key("")


def _private_key(text: str) -> _Key:
    if is_path(text):
        return _key_file(text)
    try:
        return _Key(read_key(text))
    except KeyTextError as error:
        raise _WrongError(str(error)) from None


def _key_file(text: str) -> _Key:
    path = Path(text.removeprefix("file://")).expanduser()
    try:
        return _Key(read_key(path.read_text("utf-8-sig")), key_id_of(path.name))
    except KeyTextError as error:
        raise _WrongError(f"names a file that holds no such key: it {error}") from None
    except (OSError, ValueError):
        raise _WrongError("must name a .p8 file that the relay can read") from None


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise _WrongError("must be a port number from 1 to 65535")
    return int(text)


def _port_or_none(text: str) -> int | None:
    return _port(text) if text else None


def _admin_token(text: str) -> str | None:
    if text and not re.fullmatch(r"[\x21-\x7e]{32,512}", text):
        raise _WrongError("must be at least 32 letters and digits: openssl rand -hex 32 makes one")
    return text or None


def _admin_token_file(text: str) -> str | None:
    if not text:
        return None
    try:
        held = Path(text.removeprefix("file://")).expanduser().read_text("utf-8-sig").strip()
    except (OSError, ValueError):
        raise _WrongError("must name a file that the relay can read") from None
    try:
        return _admin_token(held or " ")
    except _WrongError as error:
        raise _WrongError(f"names a file whose text {error}") from None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 3600:
        raise _WrongError("must be a number of seconds from 0 to 3600")
    return value


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 3650:
        raise _WrongError("must be a whole number of days from 1 to 3650")
    return int(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1_000_000:
        raise _WrongError("must be a whole number from 1 to 1000000")
    return int(text)


def _count_or_off(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 1_000_000_000:
        raise _WrongError("must be a whole number, or 0 for no limit")
    return int(text)


def _seconds_or_off(text: str) -> float:
    return 0.0 if text == "0" else _seconds(text)


def _networks(text: str) -> Networks:
    try:
        return () if text == "none" else read_networks(text)
    except NetworksError:
        raise _WrongError(
            "must be addresses and networks such as 10.0.0.0/8, with commas between, or none"
        ) from None


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:\-\[\]]{1,255}", text):
        raise _WrongError("must be a host name or address")
    return text


def _endpoint(text: str) -> Endpoint:
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, "443"
    return Endpoint(_host(host.strip("[]")), _port(port))


def _database_url(text: str) -> str:
    if text.startswith("mariadb://"):
        text = "mysql" + text.removeprefix("mariadb")
    if text.startswith("sqlite://"):
        return _sqlite_url(text)
    if text.startswith("mysql://"):
        return _mysql_url(text)
    raise _WrongError("must begin with sqlite:// or mysql:// (MariaDB speaks mysql)")


def _sqlite_url(text: str) -> str:
    if not text.removeprefix("sqlite://").partition("?")[0].strip("/"):
        raise _WrongError("must name a file: sqlite://relay.sqlite3 or sqlite:///var/lib/relay.sqlite3")
    return text


def _mysql_url(text: str) -> str:
    try:
        url = urlsplit(text)
        whole = bool(url.hostname and url.path.strip("/")) and url.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise _WrongError("must be mysql://USER:PASSWORD@HOST:PORT/NAME, the password percent-encoded")
    return text


def _ca_file(text: str) -> Path | None:
    if not text:
        return None
    try:
        ssl.create_default_context(cafile=text)
    except OSError:
        raise _WrongError("must name a readable file of PEM certificates") from None
    return Path(text)


def _proxy(text: str) -> Proxy | None:
    try:
        return read_proxy(text)
    except ProxyError as error:
        raise _WrongError(str(error)) from None


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


def _transport(text: str) -> str:
    if text not in ("lean", "aioapns"):
        raise _WrongError("must be lean (the relay's own) or aioapns (the package's)")
    return text


def _one_of(names: Iterable[str]) -> Callable[[str], str]:
    known = list(names)

    def read(text: str) -> str:
        if text.lower() not in known:
            raise _WrongError(f"must be {', '.join(known[:-1])} or {known[-1]}")
        return text.lower()

    return read


class Variable(NamedTuple):
    """One environment variable: its default (None: required), how it is read, what it is for."""

    default: str | None
    read: Callable[[str], Any]
    about: str


VARIABLES: dict[str, Variable] = {
    "APNS_TEAM_ID": Variable(None, _identifier, "the 10 characters of your Apple developer team"),
    "APNS_KEY_ID": Variable(None, _identifier, "the 10 characters of your APNs key"),
    "APNS_PRIVATE_KEY": Variable(None, _private_key, "the text of the key's .p8 file: PEM, on one line with \\n, or base64"),
    "APNS_PRIVATE_KEY_FILE": Variable("", lambda text: _key_file(text) if text else None, "or the path of that file"),
    "APNS_DEFAULT_BUNDLE_ID": Variable(None, _bundle_id, "the app, for phones that do not name theirs"),
    "RELAY_BUNDLE_IDS": Variable("", _bundle_ids, "the apps that phones may register, with commas between; empty: any"),
    "RELAY_REGISTRATION": Variable("open", _one_of(("open", "known")), "open: every secret is taken; known: only those of relay secret add"),
    "PORT": Variable("8787", _port, "where the relay listens"),
    "RELAY_HOST": Variable("127.0.0.1", _host, "the address it listens on; 0.0.0.0 for all"),
    "DATABASE_URL": Variable("sqlite://relay.sqlite3", _database_url, "sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME"),
    "APNS_HOST_SANDBOX": Variable("api.sandbox.push.apple.com:443", _endpoint, "host:port for development tokens"),
    "APNS_HOST_PRODUCTION": Variable("api.push.apple.com:443", _endpoint, "host:port for App Store and TestFlight tokens"),
    "APNS_CA_FILE": Variable("", _ca_file, "CA to trust instead of the system's, for a sandbox"),
    "APNS_TRANSPORT": Variable("lean", _transport, "lean: the relay's own HTTP/2; aioapns: that of the package"),
    "APNS_PROXY": Variable("", _proxy, "http://[USER:PASSWORD@]HOST:PORT, the proxy to APNs (else HTTPS_PROXY; none to the hosts in NO_PROXY)"),
    "APNS_PUSH_DEADLINE": Variable("10", _seconds, "seconds until an unanswered push counts as maybe sent"),
    "RELAY_EVENT_DEADLINE": Variable("5", _seconds, "seconds after which /v1/event answers and reports the rest as queued"),
    "RELAY_PHONE_CARDS": Variable("5", _count, "Live Activities of one app that a phone shows at once; a start beyond waits"),
    "RELAY_PHONE_STARTS": Variable("10", _count, "starts by push that a phone takes within an hour; those beyond wait"),
    "RELAY_ADMIN_TOKEN": Variable("", _admin_token, "opens /admin to whoever types it, and /metrics and the counts of /health to whoever sends it (Authorization: Bearer); 32 characters or more; empty: closed"),
    "RELAY_ADMIN_TOKEN_FILE": Variable("", _admin_token_file, "or the path of a file that holds it"),
    "RELAY_METRICS_PORT": Variable("", _port_or_none, "a port of its own on which /metrics needs no token; empty: none"),
    "RELAY_METRICS_HOST": Variable("127.0.0.1", _host, "the address of that port; whoever reaches it reads the metrics"),
    "RELAY_TRUSTED_PROXIES": Variable("127.0.0.0/8,::1", _networks, "addresses and networks of the proxies whose X-Forwarded-For or Forwarded says who the client is; none: nobody's"),
    "RELAY_LIMITS": Variable("on", _one_of(("on", "off")), "off: none of the limits for a secret or an address, for load tests and simulations"),
    "RELAY_LIMIT_REQUESTS": Variable("3000", _count_or_off, "requests a minute from one client address; 0, here and below: no limit"),
    "RELAY_LIMIT_ADDRESS_REGISTRATIONS": Variable("1200", _count_or_off, "registrations of phones and Live Activities an hour from one client address"),
    "RELAY_LIMIT_ADDRESS_CONNECTIONS": Variable("100", _count_or_off, "connections, and requests that are being answered, of one client address at once"),
    "RELAY_LIMIT_REGISTRATIONS": Variable("120", _count_or_off, "requests of phones and Live Activities a minute under one secret"),
    "RELAY_LIMIT_PHONES": Variable("20", _count_or_off, "phones of one secret"),
    "RELAY_LIMIT_ACTIVITIES": Variable("500", _count_or_off, "Live Activities of one secret at once"),
    "RELAY_LIMIT_ANSWERS": Variable("60", _count_or_off, "answers of phones in a minute, of one secret"),
    "RELAY_LIMIT_FETCHES": Variable("240", _count_or_off, "how often in a minute a secret's bridge may ask for answers"),
    "RELAY_LIMIT_EVENTS_MINUTE": Variable("600", _count_or_off, "events a minute of one secret; the last fifth is for alerts, as of a day's"),
    "RELAY_LIMIT_EVENTS_DAY": Variable("20000", _count_or_off, "events a day of one secret, which come back evenly over the day"),
    "RELAY_LIMIT_CONNECTIONS": Variable("4096", _count_or_off, "connections in all at once; each further one costs that which has been silent longest"),
    "RELAY_LIMIT_BODY": Variable("65536", _count_or_off, "bytes of a request's body"),
    "RELAY_LIMIT_BODY_SECONDS": Variable("10", _seconds_or_off, "seconds that a body may take to arrive"),
    "RELAY_DELIVERY_DAYS": Variable("30", _days, "days that the row of a finished push stays in delivery_log"),
    "RELAY_LOG_LEVEL": Variable("info", _one_of(LEVELS), "what the log holds: debug, info, warning or error, and what is worse"),
    "RELAY_LOG": Variable("text", _one_of(FORMS), "text: key=value; json: one JSON object a line. Times are UTC"),
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
            raise _WrongError(f"is missing: {variable.about}")
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
        except _WrongError as error:
            wrong.append(f"{name} {error}")
    return values


def _one_key(values: dict[str, Any], wrong: list[str]) -> None:
    """The text or the file, and of two ids what can be seen: whether each is where it belongs."""
    of_file = values.pop("apns_private_key_file", _FAULTY)
    missing = next((fault for fault in wrong if fault.startswith("APNS_PRIVATE_KEY is missing")), None)
    if of_file and missing:
        wrong.remove(missing)
        values["apns_private_key"] = of_file
    elif of_file and of_file is not _FAULTY:
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
