"""A new lab with one app, one phone and one key, whose ids, key and tokens are the same at each start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom
from typing import Final, Literal

import trustme

from simulator.apns.registry import Registry
from simulator.apns.request_log import RequestLog
from simulator.apns.sandbox import Sandbox
from simulator.clock import RealClock, TurnableClock
from simulator.journal import Journal
from simulator.lab.device import DeviceSpec, OwnKind
from simulator.lab.lab import Lab

BUNDLE_ID: Final = "com.example.app"
DEVICE: Final = "iPhone"
TEAM_ID: Final = "SANDBOXDEV"
KEY_ID: Final = "SANDBOXKEY"
SEED: Final = "the development key of the sandbox: known to everybody, and taken by no server of Apple's"
"""Key, tokens of the phone and tokens of its cards come from this seed, so that they are the same at every start."""

ClockKind = Literal["real", "virtual"]


@dataclass(frozen=True, slots=True)
class Account:
    """What a developer account has at the start. `key` is a private key as PEM, None: the sandbox's own; `tokens` are those of the phone's app."""

    bundle_id: str = BUNDLE_ID
    team_id: str = TEAM_ID
    key_id: str = KEY_ID
    key: str | None = None
    tokens: Mapping[OwnKind, str] = field(default_factory=dict)


def new_lab(
    clock: ClockKind,
    authority: trustme.CA,
    *,
    team_id: str = TEAM_ID,
    folder: Path | None = None,
    host: str = "127.0.0.1",
    sink: bool = False,
    fixed: bool = True,
    requests: RequestLog | None = None,
) -> Lab:
    """An empty lab. `fixed`: keys and tokens come from SEED; ids of pushes never come again, and without it neither do those."""
    time = TurnableClock() if clock == "virtual" else RealClock()
    journal = Journal(time)
    seed = SystemRandom().getrandbits(256)
    registry = Registry(Random(SEED if fixed else seed))
    registry.team_id = team_id
    sandbox = Sandbox(
        time,
        journal,
        random=Random(seed),
        authority=authority,
        folder=folder,
        sink=sink,
        registry=registry,
        requests=requests,
    )
    lab = Lab(time, journal, sandbox)
    lab.host = host
    return lab


def open_account(lab: Lab, account: Account, device: DeviceSpec | None = None) -> None:
    """A key, an app, and a phone that has it. LabError, SandboxError if key or tokens are none."""
    if account.key is None:
        lab.issue_key(key_id=account.key_id)
    else:
        lab.add_key(account.key, key_id=account.key_id)
    lab.sandbox.add_app(account.bundle_id)
    lab.add_device_with(device or DeviceSpec(DEVICE, account.bundle_id), account.tokens)
