"""The pairing of this machine's OpenCode: the secret, the relay, and where phones may reach the server."""

import os
from pathlib import Path

from relay import contract
from relay.bridge.errors import OptionError
from relay.bridge.options import BridgeOptions
from relay.bridge.pairing.hosts import answering_addresses, host_list, is_local, own_addresses, port_of
from relay.bridge.pairing.secret_file import checked_secret, default_secret_file, load_secret, renew_secret
from relay.bridge.pairing.tailscale import ask_tailscale
from relay.bridge.sources.opencode1.client import address, http_url


async def pairing_of(options: BridgeOptions) -> contract.Pairing:
    """The pairing that the QR code carries. Tries which addresses of this machine OpenCode's port answers at.

    OpenCode should run by then; else only its own URL is known. Raises BridgeError.
    """
    http_url(options.relay_url, "the relay URL")
    where = address(options.opencode_url, options.username, options.password)
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


def _secret_file(options: BridgeOptions) -> Path:
    return options.secret_file or default_secret_file(os.environ)
