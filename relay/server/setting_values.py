"""What each variable of the environment may be, and the value that it is read as. What it may not be raises WrongValue."""

import re
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from relay.fields import is_bundle_id
from relay.proxy import Proxy, ProxyError, read_proxy
from relay.server.addresses import Networks, NetworksError, read_networks
from relay.server.apns_key import KeyTextError, is_path, key_id_of, read_key


class Endpoint(NamedTuple):
    """Where an APNs environment listens."""

    host: str
    port: int


class WrongValue(ValueError):
    """What was expected of one variable."""


def as_identifier(text: str) -> str:
    """Apple shows capital letters; a small one can only mean its capital."""
    if not re.fullmatch(r"[A-Za-z0-9]{10}", identifier := text.strip("\"'")):
        raise WrongValue("must be the 10 letters and digits that Apple shows")
    return identifier.upper()


def as_bundle_id(text: str) -> str:
    """The bundle id of an app."""
    if not is_bundle_id(text):
        raise WrongValue("must be a bundle id such as com.example.app, without a topic suffix such as .voip")
    return text


def as_bundle_ids(text: str) -> frozenset[str]:
    """Bundle ids with commas between; none: every app."""
    return frozenset(as_bundle_id(one.strip()) for one in text.split(",")) if text else frozenset()


class Key(NamedTuple):
    """The PEM text, and the id in the name of the file that it came from."""

    pem: str
    id_of_file: str | None = None


FAULTY: Final = Key("")


def as_private_key(text: str) -> Key:
    """The text of an APNs key, or of the file that it names."""
    if is_path(text):
        return as_key_file(text)
    try:
        return Key(read_key(text))
    except KeyTextError as error:
        raise WrongValue(str(error)) from None


def as_key_file(text: str) -> Key:
    """The APNs key in a .p8 file."""
    path = Path(text.removeprefix("file://")).expanduser()
    try:
        return Key(read_key(path.read_text("utf-8-sig")), key_id_of(path.name))
    except KeyTextError as error:
        raise WrongValue(f"names a file that holds no such key: it {error}") from None
    except (OSError, ValueError):
        raise WrongValue("must name a .p8 file that the relay can read") from None


def as_port(text: str) -> int:
    """1 to 65535."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise WrongValue("must be a port number from 1 to 65535")
    return int(text)


def as_port_or_none(text: str) -> int | None:
    """A port, or nowhere."""
    return as_port(text) if text else None


def as_admin_token(text: str) -> str | None:
    """At least 32 printable characters; None: there is none."""
    if text and not re.fullmatch(r"[\x21-\x7e]{32,512}", text):
        raise WrongValue("must be at least 32 letters and digits: openssl rand -hex 32 makes one")
    return text or None


def as_admin_token_file(text: str) -> str | None:
    """The token in a file."""
    if not text:
        return None
    try:
        held = Path(text.removeprefix("file://")).expanduser().read_text("utf-8-sig").strip()
    except (OSError, ValueError):
        raise WrongValue("must name a file that the relay can read") from None
    try:
        return as_admin_token(held or " ")
    except WrongValue as error:
        raise WrongValue(f"names a file whose text {error}") from None


def as_seconds(text: str) -> float:
    """More than 0, at most an hour."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 3600:
        raise WrongValue("must be a number of seconds from 0 to 3600")
    return value


def as_days(text: str) -> int:
    """1 to 3650."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 3650:
        raise WrongValue("must be a whole number of days from 1 to 3650")
    return int(text)


def as_count(text: str) -> int:
    """1 to a million."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1_000_000:
        raise WrongValue("must be a whole number from 1 to 1000000")
    return int(text)


def as_count_or_off(text: str) -> int:
    """0: no limit."""
    if not text.isascii() or not text.isdigit() or int(text) > 1_000_000_000:
        raise WrongValue("must be a whole number, or 0 for no limit")
    return int(text)


def as_seconds_or_off(text: str) -> float:
    """0: no limit."""
    return 0.0 if text == "0" else as_seconds(text)


def as_networks(text: str) -> Networks:
    """Networks whose proxies are believed; none: nobody."""
    try:
        return () if text == "none" else read_networks(text)
    except NetworksError:
        raise WrongValue(
            "must be addresses and networks such as 10.0.0.0/8, with commas between, or none"
        ) from None


def as_host(text: str) -> str:
    """A host name or an address."""
    if not re.fullmatch(r"[A-Za-z0-9.:\-\[\]]{1,255}", text):
        raise WrongValue("must be a host name or address")
    return text


def as_endpoint(text: str) -> Endpoint:
    """host:port; the port is 443 if it is left out."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, "443"
    return Endpoint(as_host(host.strip("[]")), as_port(port))


def as_database_url(text: str) -> str:
    """A URL of SQLite or MySQL."""
    if text.startswith("mariadb://"):
        text = "mysql" + text.removeprefix("mariadb")
    if text.startswith("sqlite://"):
        return as_sqlite_url(text)
    if text.startswith("mysql://"):
        return as_mysql_url(text)
    raise WrongValue("must begin with sqlite:// or mysql:// (MariaDB speaks mysql)")


def as_sqlite_url(text: str) -> str:
    """A file of SQLite."""
    if not text.removeprefix("sqlite://").partition("?")[0].strip("/"):
        raise WrongValue("must name a file: sqlite://relay.sqlite3 or sqlite:///var/lib/relay.sqlite3")
    return text


def as_mysql_url(text: str) -> str:
    """A database of a server."""
    try:
        url = urlsplit(text)
        whole = bool(url.hostname and url.path.strip("/")) and url.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise WrongValue("must be mysql://USER:PASSWORD@HOST:PORT/NAME, the password percent-encoded")
    return text


def as_ca_file(text: str) -> Path | None:
    """A readable file of PEM certificates; None: those of the system."""
    if not text:
        return None
    try:
        ssl.create_default_context(cafile=text)
    except OSError:
        raise WrongValue("must name a readable file of PEM certificates") from None
    return Path(text)


def as_proxy(text: str) -> Proxy | None:
    """An HTTP proxy; None: there is none."""
    try:
        return read_proxy(text)
    except ProxyError as error:
        raise WrongValue(str(error)) from None


def as_transport(text: str) -> str:
    """The way to APNs."""
    if text not in ("lean", "aioapns"):
        raise WrongValue("must be lean (the relay's own) or aioapns (the package's)")
    return text


def as_one_of(names: Iterable[str]) -> Callable[[str], str]:
    """A reader of one of these words, in small letters."""
    known = list(names)

    def read(text: str) -> str:
        if text.lower() not in known:
            raise WrongValue(f"must be {', '.join(known[:-1])} or {known[-1]}")
        return text.lower()

    return read
