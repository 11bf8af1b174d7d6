"""The pairing of this machine's OpenCode: the secret, the relay, and where phones may reach the server."""

import os

from relay import contract
from relay.bridge.hosts import answering_addresses, host_list, is_local, own_addresses, port_of
from relay.bridge.opencode import address, http_url
from relay.bridge.options import BridgeOptions
from relay.bridge.secret_file import checked_secret, default_secret_file, load_secret


async def pairing_of(options: BridgeOptions) -> contract.Pairing:
    """The pairing that the QR code carries. Tries which addresses of this machine OpenCode's port answers at.

    OpenCode should run by then; else only its own URL is known. Raises BridgeError.
    """
    http_url(options.relay_url, "the relay URL")
    where = address(options.opencode_url, options.username, options.password)
    port = port_of(where.url)
    answering = await answering_addresses(own_addresses(), port) if is_local(where.host) else []
    hosts = host_list(where.url, options.advertise_hosts, answering)
    return contract.pairing(options.relay_url, relay_secret(options), hosts)


def relay_secret(options: BridgeOptions) -> str:
    """The secret that phones and server share; an empty option counts as none. Raises BridgeError."""
    if options.relay_secret:
        return checked_secret(options.relay_secret, "the relay secret")
    return load_secret(options.secret_file or default_secret_file(os.environ))
