"""What both sandboxes of the library have, wherever they live: what a provider needs, what came, and what can be done to APNs and its phones."""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import trustme

from simulator.apns.request_log import RequestLog
from simulator.journal import Entry
from simulator.lab.connect_proxy import ConnectProxy
from simulator.lab.device import DeviceSpec, OwnKind
from simulator.lab.errors import Impossible, NotNow
from simulator.lab.first_state import FirstState
from simulator.lab.handles import Device, Faults
from simulator.lab.new import BUNDLE_ID, DEVICE, KEY_ID, TEAM_ID, Account, ClockKind, new_lab, open_account
from simulator.lab.ready import describe, reached_at
from simulator.lab.sent import Environment, Push, Wanted, fits, push_of
from simulator.lab.state import write_private
from simulator.phone.activitykit.attributes import ActivityType

T = TypeVar("T")
Profile = Literal["documented", "observed", "strict"]

KEPT_BYTES = 256 * 1024 * 1024
WAIT_SECONDS = 5.0


class PushTimeout(TimeoutError):
    """The pushes that were waited for did not come; the text lists those that did."""


class Sandbox:
    """Made, but opened and closed by those who derive from it."""

    def __init__(
        self,
        *,
        bundle_id: str = BUNDLE_ID,
        team_id: str = TEAM_ID,
        key_id: str = KEY_ID,
        key: str | None = None,
        token: str | None = None,
        environment: Environment = "sandbox",
        clock: ClockKind = "real",
        profile: Profile = "observed",
        activity_types: Iterable[Mapping[str, Any]] | None = None,
        host: str = "127.0.0.1",
        names: Iterable[str] = (),
        port: int = 0,
        production_port: int = 0,
        control_port: int | None = None,
        proxy_port: int | None = None,
        folder: Path | None = None,
        keep: int = 10_000,
    ) -> None:
        """Nothing listens before `start`. Ids, key and tokens are the same in every sandbox, unless they are given here.

        `key` is a private key as PEM (the text of a .p8 file), `token` the device token of the first phone's app, whose build belongs to
        `environment`. `clock="virtual"` stands still until `advance`. `activity_types` are the Live Activity types that the app knows, as
        `POST /control/devices` takes them; by default those of this project's app. Port 0 is any free one; there is a control API and page,
        or an HTTP CONNECT proxy for Apple's host names, where `control_port` or `proxy_port` is given. The certificate is good for `names`, too. `folder` gets CA and key file, by
        default a temporary one. The newest `keep` requests are kept. LabError, SandboxError for values that fit nothing.
        """
        self.bundle_id, self.team_id, self.key_id = bundle_id, team_id, key_id
        self._lab = new_lab(
            clock,
            trustme.CA(),
            team_id=team_id,
            folder=folder,
            host=host,
            requests=RequestLog(keep, KEPT_BYTES),
        )
        self._profile = profile
        self._lab.sandbox.profile.become(profile)
        self._ports = {"sandbox_port": port, "production_port": production_port}
        self._control_port, self._proxy_port, self._names = control_port, proxy_port, tuple(names)
        types = None if activity_types is None else _types(activity_types)
        self._spec = DeviceSpec(DEVICE, bundle_id, environment, activity_types=types)
        open_account(
            self._lab, Account(bundle_id, team_id, key_id, key, {"alert": token} if token else {}), self._spec
        )
        self._first = FirstState(self._lab)
        self._stack: AsyncExitStack | None = None
        self._started = False
        self._pushes: dict[int, tuple[int, Push]] = {}
        self._changed = asyncio.Event()
        self._lab.journal.listen(self._note)
        self.control_url: str | None = None
        """Where the control API is, if there is one; the page is at its root."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {f'at {self.url}' if self._stack else 'that is not up'}>"

    def _run(self, function: Callable[[], T], /) -> T:
        """Where the sandbox lives."""
        return function()

    def _note(self, _: Entry) -> None:
        self._changed.set()

    async def _open(self) -> None:
        if self._started:
            raise NotNow("a sandbox is started once; make another")
        self._started = True
        lab, sandbox = self._lab, self._lab.sandbox
        async with AsyncExitStack() as stack:
            stack.push_async_callback(sandbox.close)
            await sandbox.start(**self._ports, host=lab.host, names=self._names)
            lab.key_file = sandbox.ca_file.parent / f"AuthKey_{self.key_id}.p8"
            write_private(lab.key_file, self.key.encode())
            lab.start()
            stack.push_async_callback(lab.close)
            await self._open_control(stack)
            await self._open_proxy(stack)
            self._stack = stack.pop_all()

    async def _open_control(self, stack: AsyncExitStack) -> None:
        if self._control_port is None:
            return
        from simulator.lab.control.app import ControlServer, create_app

        control = ControlServer(create_app(self._lab))
        stack.push_async_callback(control.close)
        stack.callback(self._lab.feed.close)
        await control.start(self._control_port)
        self.control_url = control.url

    async def _open_proxy(self, stack: AsyncExitStack) -> None:
        if self._proxy_port is None:
            return
        proxy = ConnectProxy(self._lab.sandbox.ports, self.host, self._lab.journal)
        await proxy.start(self._proxy_port, self._lab.host)
        stack.push_async_callback(proxy.close)
        self._lab.proxy = f"http://{self.host}:{proxy.port}"

    async def _shut(self) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            await stack.aclose()

    # --- what a provider needs ------------------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """The address at which this machine reaches it; the certificate is good for `localhost`, too."""
        return reached_at(self._lab.host)

    @property
    def port(self) -> int:
        """Where pushes go, of the environment that the first phone's app belongs to."""
        return self.ports[self._spec.realm]

    @property
    def ports(self) -> dict[str, int]:
        """The port of each host of Apple's: sandbox, production, manage-sandbox, manage-production. Empty while it is not up."""
        return dict(self._lab.sandbox.ports)

    @property
    def url(self) -> str:
        """`https://127.0.0.1:PORT`, to which a provider adds `/3/device/TOKEN`."""
        return f"https://{self.host}:{self.port}"

    @property
    def proxy_url(self) -> str | None:
        """The CONNECT proxy that leads Apple's host names here, if there is one."""
        return self._lab.proxy

    @property
    def ca_file(self) -> Path:
        """The certificate that a provider must trust, as a PEM file."""
        return self._lab.sandbox.ca_file

    @property
    def ca_pem(self) -> str:
        """The same as text."""
        return self._lab.sandbox.ca_pem

    @property
    def key(self) -> str:
        """The provider's private key as PEM, the text of a .p8 file."""
        return self._lab.key(self.key_id).private_key

    @property
    def key_file(self) -> Path:
        """The same as a file. LabError before `start`."""
        if self._lab.key_file is None:
            raise NotNow("the key file is written by start()")
        return self._lab.key_file

    @property
    def details(self) -> dict[str, Any]:
        """What `simulator apns --json` prints, for a program in another language."""
        return describe(self._lab) | {"control": self.control_url}

    def ssl_context(self) -> ssl.SSLContext:
        """For a client: it trusts the sandbox's CA, and asks for HTTP/2."""
        context = ssl.create_default_context(cadata=self.ca_pem)
        context.set_alpn_protocols(["h2"])
        return context

    def provider_token(self) -> str:
        """A provider token of now, signed with the key, for the header `authorization: bearer ...`."""
        return self._run(lambda: self._lab.provider_token(self.key_id))

    def client_certificate(
        self, bundle_id: str | None = None, *, environment: Environment | None = None
    ) -> str:
        """Private key and certificate of an app as one PEM text; it stands in for provider tokens. `environment` None: it is good for both."""
        return self._lab.sandbox.issue_certificate(bundle_id or self.bundle_id, realm=environment).pem

    # --- what came ------------------------------------------------------------------------------------------------

    @property
    def sent(self) -> tuple[Push, ...]:
        """Every push that providers sent, refused ones too, oldest first; since the start, or the last `clear` or `reset`."""
        return self._run(self._all)

    def _all(self) -> tuple[Push, ...]:
        kept = self._lab.sandbox.requests.since(0)
        return tuple(self._push(one) for one in kept if one.entry.what == "push")

    def _push(self, kept: Any) -> Push:
        revision, push = self._pushes.get(kept.number, (0, None))
        if push is None or revision != kept.revision:
            push = push_of(kept)
            self._pushes[kept.number] = kept.revision, push
        return push

    def _found(self, where: Callable[[Push], bool] | None, wanted: Wanted) -> tuple[Push, ...]:
        return tuple(push for push in self._all() if fits(push, wanted) and (where is None or where(push)))

    async def _wait(
        self, count: int, where: Callable[[Push], bool] | None, timeout: float, wanted: Wanted
    ) -> tuple[Push, ...]:
        ends = time.monotonic() + timeout
        while len(found := self._found(where, wanted)) < count:
            self._changed.clear()
            if not await self._change_before(ends):
                raise PushTimeout(self._missed(count, where, timeout, wanted))
        return found[:count]

    async def _change_before(self, ends: float) -> bool:
        try:
            async with asyncio.timeout(ends - time.monotonic()):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _missed(self, count: int, where: object, timeout: float, wanted: Wanted) -> str:
        described = [f"{name}={value!r}" for name, value in wanted.items()]
        described += [] if where is None else ["where=..."]
        which = f" with {', '.join(described)}" if described else ""
        pushes = self._all()
        came = "".join(f"\n  {push!r}" for push in pushes[-20:])
        number = "no push" if count == 1 else f"not {count} pushes"
        return (
            f"{number}{which} came within {timeout:g} s; {len(pushes)} came in all{':' if came else ''}{came}"
        )

    def clear(self) -> None:
        """Forget what was sent so far; everything else stays as it is."""
        self._run(self._lab.sandbox.requests.clear)

    # --- APNs and its phones --------------------------------------------------------------------------------------

    @property
    def faults(self) -> Faults:
        """The rules by which pushes fail on purpose."""
        return Faults(self._lab, self._run)

    @property
    def device(self) -> Device:
        """The phone that is there from the start."""
        return Device(DEVICE, self._lab, self._run)

    @property
    def devices(self) -> tuple[Device, ...]:
        """All phones, in the order in which they came."""
        names = self._run(lambda: [device.spec.name for device in self._lab.devices])
        return tuple(Device(name, self._lab, self._run) for name in names)

    def add_device(
        self,
        name: str,
        *,
        bundle_id: str | None = None,
        environment: Environment | None = None,
        ios: str = "18.5",
        activity_types: Iterable[Mapping[str, Any]] | None = None,
        tokens: Mapping[OwnKind, str] | None = None,
    ) -> Device:
        """Another phone with an app on it, by default the first one's; `tokens` are its own by kind, the others are minted. LabError, SandboxError."""
        types = self._spec.activity_types if activity_types is None else _types(activity_types)
        spec = DeviceSpec(
            name, bundle_id or self.bundle_id, environment or self._spec.realm, ios, activity_types=types
        )

        def add() -> None:
            if spec.bundle_id not in self._lab.sandbox.registry.apps:
                self._lab.sandbox.add_app(spec.bundle_id)
            self._lab.add_device_with(spec, tokens or {})

        self._run(add)
        return Device(name, self._lab, self._run)

    def revoke_key(self) -> None:
        """From now on APNs refuses what the key signs, and ends the connections that began with it."""
        self._run(lambda: self._lab.revoke_key(self.key_id))

    def goaway(self, reason: str = "Shutdown") -> None:
        """Send GOAWAY on every open connection; each closes once its answers are out."""
        self._run(lambda: self._lab.sandbox.goaway(reason))

    def change_profile(self, **values: Any) -> None:
        """Change how APNs behaves where Apple publishes no numbers, until the next reset: the keys of `PATCH /control/profile`. SandboxError."""
        self._run(lambda: self._lab.sandbox.profile.set(values))

    @property
    def now(self) -> float:
        """The sandbox's time, UNIX seconds."""
        return self._lab.clock.now()

    def reset(self) -> None:
        """As it was at the start: nothing was sent, no fault is in force, one phone with its first tokens. Connections and the time stay."""
        self._run(lambda: self._first.restore(self._lab, self._spec, self._profile))
        self._pushes.clear()


def _types(given: Iterable[Mapping[str, Any]]) -> tuple[ActivityType, ...]:
    try:
        return msgspec.convert([dict(one) for one in given], tuple[ActivityType, ...])
    except msgspec.ValidationError as error:
        raise Impossible(f"activity_types: {error}") from None
