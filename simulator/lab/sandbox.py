"""The APNs sandbox as a library: `ApnsSandbox` in a thread of its own, for any test, and `AsyncApnsSandbox` on the running event loop."""

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

import msgspec
import trustme

from simulator.apns.registry import SigningKey
from simulator.apns.request_log import RequestLog
from simulator.journal import Entry
from simulator.lab.connect_proxy import ConnectProxy
from simulator.lab.device import DeviceSpec, OwnKind
from simulator.lab.errors import Impossible, NotNow
from simulator.lab.handles import Device, Faults
from simulator.lab.lab import Lab
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


class _Sandbox:
    """What both have: what a provider needs, what came, and what can be done to APNs and its phones."""

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
        self._first = _Kept(self._lab)
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
        stack.push_async_callback(proxy.close)
        await proxy.start(self._proxy_port, self._lab.host)
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


class _Kept:
    """What a reset brings back."""

    def __init__(self, lab: Lab) -> None:
        registry = lab.sandbox.registry
        self._tokens = {realm: dict(tokens) for realm, tokens in registry.tokens.items()}
        self._keys: dict[str, SigningKey] = {name: replace(key) for name, key in registry.keys.items()}
        self._own = dict(lab.keys)
        self._apps, self._topics = dict(registry.apps), dict(registry.topics)
        self._of_device = lab.devices[0].tokens

    def restore(self, lab: Lab, spec: DeviceSpec, profile: str) -> None:
        registry, sandbox = lab.sandbox.registry, lab.sandbox
        for device in lab.devices:
            lab.remove_device(device.spec.name)
        for realm, tokens in self._tokens.items():
            for bundle_id in registry.apps:
                for channel_id in tuple(sandbox.channels.ids(realm, bundle_id)):
                    sandbox.delete_channel(realm, bundle_id, channel_id)
            _become(registry.tokens[realm], tokens)
        _become(registry.keys, {name: replace(key) for name, key in self._keys.items()})
        _become(lab.keys, self._own)
        _become(registry.apps, self._apps)
        _become(registry.topics, self._topics)
        for token in self._of_device.values():
            registry.reactivate(token)
        lab.add_device(spec, self._of_device)
        sandbox.profile.become(profile)
        lab.reset()


def _become(present: dict[Any, Any], wanted: Mapping[Any, Any]) -> None:
    present.clear()
    present.update(wanted)


def _types(given: Iterable[Mapping[str, Any]]) -> tuple[ActivityType, ...]:
    try:
        return msgspec.convert([dict(one) for one in given], tuple[ActivityType, ...])
    except msgspec.ValidationError as error:
        raise Impossible(f"activity_types: {error}") from None


class AsyncApnsSandbox(_Sandbox):
    """On the event loop that runs: `async with AsyncApnsSandbox() as apns:`. Only for the tasks of that loop."""

    async def start(self) -> Self:
        """Listen. OSError if a port is taken."""
        await self._open()
        return self

    async def close(self) -> None:
        """Close all connections. What was sent can still be read."""
        await self._shut()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def wait_for_push(
        self,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> Push:
        """The first push that fits, as soon as there is one; at once if it was sent before. PushTimeout after so many seconds of real time.

        `wait_for_push(topic="com.example.app", accepted=True)`: what is wanted are fields of Push, and `where` any further condition.
        """
        return (await self._wait(1, where, timeout, wanted))[0]

    async def wait_for_pushes(
        self,
        count: int,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> tuple[Push, ...]:
        """The first `count` pushes that fit, as `wait_for_push` has it."""
        return await self._wait(count, where, timeout, wanted)

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass on a virtual clock. LabError on a real one."""
        await self._lab.advance(seconds)


class ApnsSandbox(_Sandbox):
    """In a thread of its own: `with ApnsSandbox() as apns:`. For any thread, and for the tasks of any event loop."""

    _thread: "_LoopThread | None" = None

    def start(self) -> Self:
        """Listen. OSError if a port is taken."""
        thread = _LoopThread()
        try:
            thread.wait(self._open())
        except BaseException:
            thread.stop()
            raise
        self._thread = thread
        return self

    def close(self) -> None:
        """Close all connections and end the thread. What was sent can still be read."""
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                thread.wait(self._shut())
            finally:
                thread.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, function: Callable[[], T], /) -> T:
        if self._thread is None or self._thread.is_current:
            return function()

        async def call() -> T:
            return function()

        return self._thread.wait(call())

    def wait_for_push(
        self,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> Push:
        """The first push that fits, as soon as there is one; at once if it was sent before. PushTimeout after so many seconds.

        `wait_for_push(topic="com.example.app", accepted=True)`: what is wanted are fields of Push, and `where` any further condition.
        In a coroutine `await wait_for_push_async(...)`.
        """
        return self._wait_here(1, where, timeout, wanted)[0]

    def wait_for_pushes(
        self,
        count: int,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> tuple[Push, ...]:
        """The first `count` pushes that fit, as `wait_for_push` has it."""
        return self._wait_here(count, where, timeout, wanted)

    async def wait_for_push_async(
        self,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> Push:
        """As `wait_for_push`, for a coroutine: the loop goes on meanwhile."""
        return (await self.wait_for_pushes_async(1, where=where, timeout=timeout, **wanted))[0]

    async def wait_for_pushes_async(
        self,
        count: int,
        *,
        where: Callable[[Push], bool] | None = None,
        timeout: float = WAIT_SECONDS,
        **wanted: Unpack[Wanted],
    ) -> tuple[Push, ...]:
        """As `wait_for_pushes`, for a coroutine."""
        thread = self._running()
        return await asyncio.wrap_future(thread.begin(self._wait(count, where, timeout, wanted)))

    def _wait_here(
        self, count: int, where: Callable[[Push], bool] | None, timeout: float, wanted: Wanted
    ) -> tuple[Push, ...]:
        thread = self._running()
        found = self._run(lambda: self._found(where, wanted))
        if len(found) >= count:
            return found[:count]
        if _has_running_loop():
            raise NotNow(
                "an event loop runs in this thread, and a provider on it would stand still: `await apns.wait_for_push_async(...)`"
            )
        return thread.wait(self._wait(count, where, timeout, wanted))

    def _running(self) -> "_LoopThread":
        if self._thread is None:
            raise NotNow("the sandbox is not up: no push can come")
        return self._thread

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass on a virtual clock. LabError on a real one."""
        self._running().wait(self._lab.advance(seconds))


def _has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _LoopThread:
    """An event loop in a thread of its own, from the beginning until `stop`."""

    def __init__(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._main(ready),), name="apns-sandbox", daemon=True
        )
        self._thread.start()
        ready.wait()

    async def _main(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await self._stop.wait()

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in it."""
        return threading.current_thread() is self._thread

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine in it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in it, and give what it gives; when the wait is broken off, so is the coroutine."""
        future = self.begin(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the loop and the thread."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
