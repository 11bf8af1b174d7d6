"""The pairing of phones with this machine's OpenCode: secret, relay and addresses, as a QR code, a link or a picture."""

import logging
import os
from pathlib import Path
from textwrap import wrap
from typing import TextIO
from urllib.parse import urlsplit

import msgspec
import segno

from relay import contract
from relay.bridge.address import address, http_url, port_of
from relay.bridge.errors import OptionError
from relay.bridge.options import DEFAULT_OPENCODE_URL, BridgeOptions
from relay.bridge.pairing.code import code_for, picture, terminal_of
from relay.bridge.pairing.hosts import (
    answering_addresses,
    ask_tailscale,
    host_list,
    is_local,
    own_addresses,
)
from relay.bridge.pairing.secret_file import (
    checked_secret,
    default_secret_file,
    load_key,
    load_secret,
    renew_key,
    renew_secret,
)
from relay.contract import Pairing, pairing_link
from relay.encryption import PairingKey
from relay.log import line

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
    key = pairing_key(options)
    pair = contract.pairing(options.relay_url, relay_secret(options), hosts)
    return msgspec.structs.replace(pair, key=key.text if key else None)


def relay_secret(options: BridgeOptions) -> str:
    """The secret that phones and server share; an empty option counts as none. Raises BridgeError."""
    if options.relay_secret:
        return checked_secret(options.relay_secret, "the relay secret")
    return load_secret(secret_file(options))


def pairing_key(options: BridgeOptions) -> PairingKey | None:
    """The key with which texts are sealed; None if they never are. Raises BridgeError."""
    return None if options.encrypt == "off" else load_key(key_file(options))


def key_file(options: BridgeOptions) -> Path:
    """Where the key is kept: beside the secret."""
    return secret_file(options).with_name(f"{secret_file(options).name}.key")


def rotate_key(options: BridgeOptions) -> None:
    """Put a new key into its file. Raises OptionError if none is used, SecretFileError."""
    if options.encrypt == "off":
        raise OptionError("--rotate-key makes a new key, but --encrypt off uses none")
    renew_key(key_file(options))


def rotate_secret(options: BridgeOptions) -> None:
    """Put a new secret into the secret file, and a new key: whoever saw the old code reaches no phone that pairs from now on.

    Raises OptionError if the secret does not come from a file, SecretFileError if the file cannot be written.
    """
    if options.relay_secret:
        raise OptionError(
            "--rotate-secret makes a new secret in the secret file, but --relay-secret or RELAY_SECRET gives another"
        )
    renew_secret(secret_file(options), options.relay_url)
    if options.encrypt != "off":
        renew_key(key_file(options))


LISTEN = {
    False: "start it with OPENCODE_SERVER_PASSWORD (OpenCode 2: OPENCODE_PASSWORD) set, never without, and --hostname 0.0.0.0",
    True: "opencode service set hostname 0.0.0.0, which keeps its password",
}
"""How OpenCode is made to listen for other machines; True: the managed service. Whoever gets in has a shell."""
FOR_ALERTS = "nothing, for alerts need no way to OpenCode. For the app to open sessions"


def warn_of_local_addresses(pair: Pairing, opencode_url: str, *, managed: bool = False) -> None:
    """Log it if phones, which are other machines, can reach neither OpenCode nor the relay."""
    if all(is_local(urlsplit(host).hostname or "") for host in pair.hosts):
        remedy = f"{FOR_ALERTS}: {LISTEN[managed]}; or --advertise-host"
        log.warning(line("only this machine can reach OpenCode", url=opencode_url, remedy=remedy))
    if is_local(urlsplit(pair.relay_url).hostname or ""):
        remedy = "--relay-url with a name or address that phones reach"
        log.warning(line("only this machine can reach the relay", url=pair.relay_url, remedy=remedy))


def lacks(pair: Pairing, *, password: bool) -> list[str]:
    """What the app cannot get from the code, a sentence each. `password`: OpenCode has one. Pure."""
    found = []
    if is_local(urlsplit(pair.relay_url).hostname or ""):
        found.append(
            f"The code names the relay as {pair.relay_url}, which on a phone is the phone itself: give --relay-url a name or address that phones reach."
        )
    if password and pair.connect is None:
        found.append(
            "The code does not hold OpenCode's password: alerts need none, and to open sessions the app asks for it "
            "(OpenCode 2: or relay pair --connect)."
        )
    return found


def secret_file(options: BridgeOptions) -> Path:
    """Where the secret is kept."""
    return options.secret_file or default_secret_file(os.environ)


PICTURES = (".png", ".svg")
OTHER_WAYS = "Open the link on the phone, or write a picture and scan that: relay pair --output code.svg"


def show_pairing(pair: Pairing, out: TextIO) -> None:
    """Print the link on a line of its own and, in a terminal that shows it whole, the QR code. Whoever sees either can push to the phones."""
    link = pairing_link(pair)
    terminal = terminal_of(out)
    print(link, file=out, flush=True)
    if terminal is None:
        return
    try:
        code = code_for(link, terminal)
    except segno.DataOverflowError:
        print(f"The link is too long for a QR code. {OTHER_WAYS}", file=out, flush=True)
        return
    if not terminal.draws:
        said = f"This terminal cannot draw a QR code. {OTHER_WAYS}"
    elif code.text is None:
        said = (
            f"The QR code needs {code.columns} columns and {code.lines} lines, and this terminal has {terminal.columns} "
            f"and {terminal.lines}. Make it larger and run relay pair again. Or: {OTHER_WAYS[0].lower()}{OTHER_WAYS[1:]}"
        )
    else:
        print(code.text, file=out, flush=True)
        return
    print("\n".join(wrap(said, terminal.columns - 1)), file=out, flush=True)


def save_pairing(pair: Pairing, path: Path) -> None:
    """Write the QR code as a picture that only its owner can read: PNG or SVG, by the name. Raises OptionError."""
    if path.suffix.lower() not in PICTURES:
        raise OptionError(f"--output must name a {' or '.join(PICTURES)} file, not {path.name}")
    try:
        _write_private(path, picture(pairing_link(pair), path.suffix[1:].lower()))
    except segno.DataOverflowError:
        raise OptionError(
            "the link is too long for a QR code: name fewer hosts by --advertise-host"
        ) from None
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror}") from None


def _write_private(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, 0o600)  # the file may have been there before
        file.write(data)
