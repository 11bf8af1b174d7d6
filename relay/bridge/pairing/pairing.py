"""The pairing of phones with this machine's OpenCode: secret, relay and addresses, as a QR code, a link or a picture."""

import io
import logging
import os
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import segno

from relay import contract
from relay.bridge.address import address, http_url, port_of
from relay.bridge.errors import OptionError
from relay.bridge.options import DEFAULT_OPENCODE_URL, BridgeOptions
from relay.bridge.pairing.hosts import (
    answering_addresses,
    ask_tailscale,
    host_list,
    is_local,
    own_addresses,
)
from relay.bridge.pairing.secret_file import checked_secret, default_secret_file, load_secret, renew_secret
from relay.contract import Pairing, pairing_link
from relay.log import line
from relay.output import takes

log = logging.getLogger("relay.bridge.pairing")


async def pairing_of(options: BridgeOptions) -> contract.Pairing:
    """The pairing that the QR code carries. Tries which addresses of this machine OpenCode's port answers at.

    OpenCode should run by then; else only its own URL is known. Raises BridgeError.
    """
    http_url(options.relay_url, "the relay URL")
    where = address(options.opencode_url or DEFAULT_OPENCODE_URL, options.username, options.password)
    tailnet = await ask_tailscale()
    candidates = [*tailnet.addresses, *own_addresses()] if is_local(where.host) else []
    answering = await answering_addresses(candidates, port_of(where.url))
    hosts = host_list(where.url, options.advertise_hosts, answering, tailnet)
    return contract.pairing(options.relay_url, relay_secret(options), hosts)


def relay_secret(options: BridgeOptions) -> str:
    """The secret that phones and server share; an empty option counts as none. Raises BridgeError."""
    if options.relay_secret:
        return checked_secret(options.relay_secret, "the relay secret")
    return load_secret(_secret_file(options))


def rotate_secret(options: BridgeOptions) -> None:
    """Put a new secret into the secret file: whoever knows the old one reaches no phone that pairs from now on.

    Raises OptionError if the secret does not come from a file, SecretFileError if the file cannot be written.
    """
    if options.relay_secret:
        raise OptionError(
            "--rotate-secret makes a new secret in the secret file, but --relay-secret or RELAY_SECRET gives another"
        )
    renew_secret(_secret_file(options))


LISTEN = {False: "opencode serve --hostname 0.0.0.0", True: "opencode service set hostname 0.0.0.0"}
"""How OpenCode is made to listen for other machines; True: the managed service."""


def warn_of_local_addresses(pair: Pairing, opencode_url: str, *, managed: bool = False) -> None:
    """Log it if phones, which are other machines, can reach neither OpenCode nor the relay."""
    if all(is_local(urlsplit(host).hostname or "") for host in pair.hosts):
        remedy = f"{LISTEN[managed]}, or --advertise-host"
        log.warning(line("only this machine can reach OpenCode", url=opencode_url, remedy=remedy))
    if is_local(urlsplit(pair.relay_url).hostname or ""):
        remedy = "--relay-url with a name or address that phones reach"
        log.warning(line("only this machine can reach the relay", url=pair.relay_url, remedy=remedy))


def _secret_file(options: BridgeOptions) -> Path:
    return options.secret_file or default_secret_file(os.environ)


COLUMNS = 80
QUIET_ZONE = 4
"""Modules of margin around a QR code, as its standard wants; a very long link gets less, but never none."""
LEVELS = ("m", "l")
"""Error correction, best first: less of it makes a smaller code."""
PICTURES = (".png", ".svg")
PICTURE_SCALE = 8
"""Pixels for a module."""

TOO_LONG = f"""\
The link is too long for a QR code of {COLUMNS} columns. Open it on the phone, or scan a picture of it, made by:
relay pair --output pairing.png
"""


NO_BLOCKS = """\
This terminal has no letters for a QR code. Open the link on the phone, or scan a picture of it, made by:
relay pair --output pairing.png
"""


def show_pairing(pair: Pairing, out: TextIO) -> None:
    """Print the QR code and, on a line of its own, the link it holds. Whoever sees either can push to the phones."""
    link = pairing_link(pair)
    code = qr_code(link)
    if code is None:
        print(TOO_LONG, file=out)
    elif not takes(out, code):
        print(NO_BLOCKS, file=out)
    else:
        print(f"Scan this with the app, or with the phone's camera:\n\n{code}", file=out)
    print(f"{link}\n", file=out, flush=True)


def save_pairing(pair: Pairing, path: Path) -> None:
    """Write the QR code as a picture that only its owner can read: PNG or SVG, by the name. Raises OptionError."""
    if path.suffix.lower() not in PICTURES:
        raise OptionError(f"--output must name a {' or '.join(PICTURES)} file, not {path.name}")
    code = segno.make(pairing_link(pair), error=LEVELS[0], micro=False)
    picture = io.BytesIO()
    code.save(picture, kind=path.suffix[1:].lower(), scale=PICTURE_SCALE, border=QUIET_ZONE)
    try:
        _write_private(path, picture.getvalue())
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror}") from None


def qr_code(text: str) -> str | None:
    """`text` as a QR code in half blocks, two modules high, made for a dark terminal; None: it needs too many columns."""
    for level in LEVELS:
        code = segno.make(text, error=level, boost_error=False, micro=False)
        width = int(code.symbol_size(border=0)[0])
        quiet_zone = min(QUIET_ZONE, (COLUMNS - width) // 2)
        if quiet_zone == QUIET_ZONE or (level == LEVELS[-1] and quiet_zone > 0):
            lines = io.StringIO()
            code.terminal(lines, border=quiet_zone, compact=True)
            return lines.getvalue()
    return None


def _write_private(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, 0o600)  # the file may have been there before
        file.write(data)
