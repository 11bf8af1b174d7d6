"""What a program needs to push to a running sandbox, as one JSON object: `--json` prints it, the ready file and `GET /control` hold it."""

import contextlib
import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from simulator.lab.errors import StateError
from simulator.lab.lab import Lab
from simulator.lab.state import write_private

CONTROL = "http://127.0.0.1:8901/control"
"""The control API of a sandbox of which nothing else was said."""
LOOPBACK = "127.0.0.1"
WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on


def reached_at(host: str) -> str:
    """Where this machine reaches a server that listens on `host`."""
    return LOOPBACK if host in WILDCARDS else host


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`; of a name that is not `localhost` nobody knows."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def describe(lab: Lab) -> dict[str, Any]:
    """Hosts, CA, key, and the first phone with its tokens; paths are absolute, and what there is none of is None.

    `{host, ports, ca_file, key_file, key_id, team_id, device, realm, topic, tokens, clock, proxy}`
    """
    key = lab.usable_key
    device = lab.devices[0] if lab.devices else None
    return {
        "host": reached_at(lab.host),
        "ports": dict(lab.sandbox.ports),
        "ca_file": str(lab.sandbox.ca_file.absolute()),
        "key_file": None if lab.key_file is None else str(lab.key_file.absolute()),
        "key_id": None if key is None else key.key_id,
        "team_id": lab.sandbox.registry.team_id if key is None else key.team_id,
        "device": None if device is None else device.spec.name,
        "realm": None if device is None else device.spec.realm,
        "topic": None if device is None else device.spec.bundle_id,
        "tokens": {} if device is None else dict(device.tokens),
        "clock": lab.clock_kind,
        "proxy": lab.proxy,
    }


def announcement(lab: Lab, control_url: str) -> bytes:
    """The same in one line, with where the control API and the page are, and the process that serves them."""
    page = control_url.removesuffix("control")
    return msgspec.json.encode(describe(lab) | {"control": control_url, "page": page, "pid": os.getpid()})


@contextmanager
def ready_file(path: Path | None, octets: bytes) -> Iterator[None]:
    """There while the sandbox is up, readable by its owner only, and whole from its first moment. StateError if it cannot be written."""
    if path is None:
        yield
        return
    try:
        write_private(path, octets + b"\n")
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if path.read_bytes() == octets + b"\n":  # not that of a sandbox that was started since
                path.unlink()
