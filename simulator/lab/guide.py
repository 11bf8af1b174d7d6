"""What `simulator apns` prints: how to point a provider at the sandbox. No I/O."""

from collections.abc import Iterable
from pathlib import Path
from shlex import quote
from urllib.parse import quote as quote_path

import jwt

from simulator.lab.device import Device
from simulator.lab.lab import Lab
from simulator.lab.ready import CONTROL, is_loopback, reached_at

PAYLOAD = '{"aps":{"alert":{"title":"Hello","body":"World"}}}'
HOSTS = {
    "sandbox": "api.sandbox.push.apple.com",
    "production": "api.push.apple.com",
    "manage-sandbox": "api-manage-broadcast.sandbox.push.apple.com",
    "manage-production": "api-manage-broadcast.push.apple.com",
}
"""The sandbox's ports, and the host of Apple's that each stands for."""
LAST_LINE = "From here on every push is one line."


def guide(lab: Lab, control_url: str, key_file: Path) -> str:
    """The whole block, for people and for copying from."""
    key_id = key_file.stem.removeprefix("AuthKey_")
    here = reached_at(lab.host)
    rows = [
        *((f"{here}:{lab.sandbox.ports[name]}", f"instead of {host}") for name, host in HOSTS.items()),
        ("CA file", str(lab.sandbox.ca_file)),
        ("Key file", str(key_file)),
        ("Key id", key_id),
        ("Team id", lab.keys[key_id].team_id),
        *(row for device in lab.devices for row in _of_device(device)),
        *(() if lab.proxy is None else [("Proxy", f"{lab.proxy} leads Apple's host names here")]),
        ("Control", control_url),
    ]
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(
        [
            f"An APNs sandbox is up, on {lab.clock_kind} time; Ctrl-C ends it.",
            "The key is for this sandbox only; ids and tokens are the same at each start.",
            *_who_else(lab.host),
            "",
            *(f"  {name:<{width}}{value}" for name, value in rows),
            "",
            *_curl(lab, control_url, key_id),
            "",
            f"The page: {control_url.removesuffix('control')}",
            f'A push:   simulator push{_where(control_url)} --title "Fix the login"',
            LAST_LINE,
        ]
    )


def _who_else(host: str) -> list[str]:
    """A warning where other machines reach the ports."""
    if is_loopback(host):
        return []
    return [f"APNs listens on {host}: whoever reaches that can push, for everybody knows the key."]


def _where(control_url: str) -> str:
    return "" if control_url == CONTROL else f" --control {control_url}"


def _of_device(device: Device) -> Iterable[tuple[str, str]]:
    spec = device.spec
    yield "Phone", f"{spec.name}, {spec.realm}"
    yield "Topic", spec.bundle_id
    for kind, token in device.tokens.items():
        yield f"Token {kind}", token


def _curl(lab: Lab, control_url: str, key_id: str) -> list[str]:
    """Lines to be pasted: a push with a provider token of this hour, and what the first phone made of it."""
    if not lab.devices:
        return []
    device, key = lab.devices[0], lab.keys[key_id]
    claims = {"iss": key.team_id, "iat": int(lab.clock.now())}
    bearer = jwt.encode(claims, key.private_key, algorithm="ES256", headers={"kid": key_id})
    push_url = f"https://{reached_at(lab.host)}:{lab.sandbox.ports[device.spec.realm]}/3/device/{device.tokens['alert']}"
    push = [
        f"curl --http2 -sS -w '%{{http_code}}\\n' --cacert {quote(str(lab.sandbox.ca_file))} -H 'authorization: bearer {bearer}'",
        f"-H 'apns-topic: {device.spec.bundle_id}' -H 'apns-push-type: alert' -d '{PAYLOAD}' {push_url}",
    ]
    return [
        "A push by curl, good for an hour, and what the phone shows then:",
        "",
        " ".join(push),
        "",
        f"curl {control_url}/devices/{quote_path(device.spec.name)}",
    ]
