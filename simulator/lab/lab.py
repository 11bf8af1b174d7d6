"""One APNs sandbox, its keys and its phones, wired up; who pushes to them is somebody else."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jwt

from simulator.apns.errors import SandboxError
from simulator.apns.registry import Kind, ProviderKey, Realm
from simulator.apns.sandbox import Sandbox
from simulator.clock import Clock, VirtualClock
from simulator.journal import Journal
from simulator.lab.device import Device, DeviceSpec, OwnKind, Tuner, build
from simulator.lab.errors import Impossible, LabError, RealTime, Taken, Unknown
from simulator.lab.feed import Feed
from simulator.phone.phone import Phone
from simulator.phone.settings import SETTINGS

TICK_SECONDS = 0.2
"""How often, on a real clock, what is due is done."""


class Lab:
    """A sandbox that is started and closed by its owner, and phones by name. On a real clock, `start` lets it tick."""

    def __init__(self, clock: Clock, journal: Journal, sandbox: Sandbox, *, feed: Feed | None = None) -> None:
        self.clock = clock
        self.journal = journal
        self.sandbox = sandbox
        self.feed = feed or Feed(journal)
        self.keys: dict[str, ProviderKey] = {}
        self.key_file: Path | None = None
        """Where the key lies that providers are given."""
        self.host = "127.0.0.1"
        """The address on which the sandbox listens."""
        self.proxy: str | None = None
        """Where a CONNECT proxy leads Apple's host names here, `http://host:port`."""
        self._devices: dict[str, Device] = {}
        self._tuner = Tuner(sandbox)
        journal.listen(sandbox.requests.note)
        self._ticking: asyncio.Task[None] | None = None

    # --- time ---------------------------------------------------------------------------------------------------

    @property
    def clock_kind(self) -> Literal["real", "virtual"]:
        """Whose time it is."""
        return "virtual" if isinstance(self.clock, VirtualClock) else "real"

    def start(self) -> None:
        """On a real clock: do what is due, five times a second, until `close`. On a virtual one time stands still."""
        if self.clock_kind == "real":
            self._ticking = asyncio.create_task(self._tick(), name="lab-tick")

    async def close(self) -> None:
        """Stop ticking and end all event streams."""
        self.feed.close()
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
            self._ticking = None

    async def _tick(self) -> None:
        while True:
            await self.clock.sleep(TICK_SECONDS)
            self.run_due()

    def run_due(self) -> None:
        """Do all that is due by now, at APNs and on every phone."""
        self.sandbox.discard_expired()
        for device in self._devices.values():
            device.phone.run_due()
        self._tuner.update(self.devices)

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass. RealTime unless the clock is virtual, Impossible if they are below zero."""
        if not isinstance(self.clock, VirtualClock):
            raise RealTime("the clock is real; start with --clock virtual to turn it")
        if seconds < 0:
            raise Impossible("time does not go back")
        phones = [device.phone for device in self._devices.values()]
        await turn(self.clock, seconds, self.sandbox, phones, self.run_due)

    # --- keys ---------------------------------------------------------------------------------------------------

    def issue_key(
        self,
        team_id: str | None = None,
        *,
        realm: Realm | None = None,
        topics: frozenset[str] | None = None,
        related_to: str | None = None,
        key_id: str | None = None,
    ) -> ProviderKey:
        """A new provider key, kept with its private half. Unknown if `related_to` is no key."""
        if related_to is not None:
            self.key(related_to)
        key = self.sandbox.issue_key(
            team_id, realm=realm, topics=topics, related_to=related_to, key_id=key_id
        )
        self.keys[key.key_id] = key
        return key

    def add_key(self, private_key: str, *, key_id: str, team_id: str | None = None) -> ProviderKey:
        """A provider's own key (PEM). Taken if there is one of this id, BadKey if APNs takes no such key."""
        if key_id in self.keys:
            raise Taken(f"there is a key {key_id!r} already")
        key = self.sandbox.registry.add_key(key_id, team_id or self.sandbox.registry.team_id, private_key)
        self.keys[key.key_id] = key
        return key

    def key(self, key_id: str) -> ProviderKey:
        """One key. Unknown."""
        if key_id not in self.keys:
            raise Unknown(f"there is no key {key_id!r}")
        return self.keys[key_id]

    @property
    def usable_key(self) -> ProviderKey | None:
        """The oldest that may push to everything; None if there is none."""
        signing = self.sandbox.registry.keys
        usable = (
            key
            for key in self.keys.values()
            if not signing[key.key_id].revoked and signing[key.key_id].topics is None
        )
        return next(usable, None)

    def revoke_key(self, key_id: str) -> None:
        """From now on APNs refuses what this key signs. Unknown."""
        self.key(key_id)
        self.sandbox.revoke_key(key_id)

    def provider_token(self, key_id: str | None = None) -> str:
        """A provider token of now, signed with this key, or with the oldest that may push to everything. Unknown if there is none."""
        key = self.usable_key if key_id is None else self.key(key_id)
        if key is None:
            raise Unknown("every key is revoked or bound to topics; issue one, or name one by its key_id")
        claims = {"iss": key.team_id, "iat": int(self.clock.now())}
        return jwt.encode(claims, key.private_key, algorithm="ES256", headers={"kid": key.key_id})

    # --- devices ------------------------------------------------------------------------------------------------

    @property
    def devices(self) -> tuple[Device, ...]:
        """All phones, in the order in which they came."""
        return tuple(self._devices.values())

    def device(self, name: str) -> Device:
        """One phone. Unknown."""
        if name not in self._devices:
            raise Unknown(f"there is no device {name!r}")
        return self._devices[name]

    def add_device(
        self, spec: DeviceSpec, remembered: Mapping[Kind, str] | None = None, **options: Any
    ) -> Device:
        """A phone with its tokens minted and attached. Taken, Unknown (the app), Impossible (iOS version, profile).

        `options` are further ones of a Phone, such as the `kind` of its app.
        """
        if spec.name in self._devices:
            raise Taken(f"there is a device {spec.name!r} already")
        device = self._build(spec, remembered, options)
        self._devices[spec.name] = device
        self.journal.record("world", "device added", **asdict(spec))
        return device

    def _build(
        self, spec: DeviceSpec, remembered: Mapping[Kind, str] | None, options: Mapping[str, Any]
    ) -> Device:
        if spec.bundle_id not in self.sandbox.registry.apps:
            raise Unknown(f"there is no app {spec.bundle_id!r}")
        try:
            return build(spec, self.sandbox.registry, self.clock, self.journal, remembered, options)
        except (KeyError, ValueError) as error:
            raise Impossible(str(error)) from None

    def add_device_with(self, spec: DeviceSpec, tokens: Mapping[OwnKind, str]) -> Device:
        """A phone whose app has these tokens of somebody's own choice, and minted ones of the other kinds.

        As `add_device`, and BadToken; then nothing has changed.
        """
        registry = self.sandbox.registry
        added: dict[Kind, str] = {}
        try:
            for kind, token in tokens.items():
                added[kind] = registry.add_token(token, spec.bundle_id, spec.realm, kind)
            return self.add_device(spec, added)
        except (LabError, SandboxError):
            for token in added.values():
                del registry.tokens[spec.realm][token]
            raise

    def remove_device(self, name: str) -> None:
        """The phone is gone, and the app with it: APNs answers 410 Unregistered for its tokens, sooner or later. Unknown."""
        device = self.device(name)
        self._uninstall(device)
        device.issuer.lead_to(None)
        del self._devices[name]
        self.journal.record("world", "device removed", name=name)

    def reset(self) -> None:
        """Forget what happened: faults, stored pushes, delivery log, journal, and all that is on the phones or set there.

        Keys, apps, channels, the profile, and the devices with their tokens stay; so does the time.
        """
        self.sandbox.faults.clear()
        self.sandbox.release()
        self._devices = {name: self._renewed(device) for name, device in self._devices.items()}
        self.run_due()
        self.sandbox.forget_deliveries()
        self.sandbox.requests.clear()
        self.journal.clear()

    def _renewed(self, device: Device) -> Device:
        tokens = device.tokens
        device.issuer.retire(frozenset(tokens.values()))
        return self._build(device.spec, tokens, device.options)

    def change_device(self, name: str, changes: Mapping[str, Any]) -> Device:
        """Do to a phone what a person can do, in the order given; what waits for it arrives if it can be reached again.

        Unknown; Impossible, naming the first key that is wrong, and then nothing has changed.
        """
        device = self.device(name)
        for key, value in changes.items():
            _check(key, value)
        reachable = _is_reachable(device)
        for key, value in changes.items():
            device.phone.set(key, value)
            if key == "ios" and device.phone.device.app_installed:
                device.turn_on()
            if key == "app_installed":
                (device.turn_on if value else partial(self._uninstall, device))()
        if _is_reachable(device) and not reachable:
            self.sandbox.reconnected(device.phone)
        self.run_due()
        return device

    def _uninstall(self, device: Device) -> None:
        for token in device.tokens.values():
            self.sandbox.uninstall(token)


def _check(key: str, value: Any) -> None:
    setting = SETTINGS.get(key)
    if setting is None:
        raise Impossible(f"a phone has no {key!r}, but {', '.join(sorted(SETTINGS))}")
    if not setting.fits(value):
        raise Impossible(f"{key!r} of a phone is {setting.wanted}, not {value!r}")


def _is_reachable(device: Device) -> bool:
    return device.phone.online and not device.phone.asleep


async def turn(
    clock: VirtualClock,
    seconds: float,
    sandbox: Sandbox,
    phones: Collection[Phone],
    run_due: Callable[[], None],
) -> None:
    """Let so many seconds pass, calling `run_due` at each time at which something is due, and at the end."""
    target = clock.now() + seconds
    while (at := _next_due(clock.now(), sandbox, phones)) is not None and at < target:
        await clock.advance(at - clock.now())
        run_due()
    await clock.advance(target - clock.now())
    run_due()


def _next_due(now: float, sandbox: Sandbox, phones: Collection[Phone]) -> float | None:
    return min((at for at in _dues(sandbox, phones) if at > now), default=None)


def _dues(sandbox: Sandbox, phones: Collection[Phone]) -> Iterator[float]:
    """When a stored push expires, and when an activity ends, and its token with it: after 8 hours, or by a push that waits."""
    if sandbox.next_expiry is not None:
        yield sandbox.next_expiry
    for activity in (activity for phone in phones for activity in phone.activities.active):
        if activity.ends_at is not None:
            yield activity.ends_at
        if activity.waiting is not None and activity.waiting.message.ends:
            yield activity.waiting.due
