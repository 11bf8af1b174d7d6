"""What a case does: connect, send, turn the clock, change the device, the profile, or arm a fault."""

from collections.abc import Awaitable, Callable
from typing import Any

from simulator.conform.bench import Bench
from simulator.conform.cases import CaseError
from simulator.conform.checks import check
from simulator.conform.client import Answer
from simulator.conform.sending import send, start

Json = dict[str, Any]


async def perform(bench: Bench, step: Json) -> None:
    """Do one step. Raises CaseError if it is unknown, or if an expectation in it does not hold."""
    name = step.get("op")
    if name not in STEPS:
        raise CaseError(f"unknown op {name!r}")
    await STEPS[name](bench, {key: value for key, value in step.items() if key != "op"})


# The steps.


async def _connect(bench: Bench, options: Json) -> None:
    _only(options, "alpn", "tls_max", "client_cert")
    await bench.connect(
        alpn=options.get("alpn", ["h2"]),
        tls_max=options.get("tls_max"),
        client_cert=options.get("client_cert", False),
    )


async def _send(bench: Bench, options: Json) -> None:
    _only(options, "jwt", "headers", "payload", "wait", "expect")
    request = _changed(bench.request, options)
    if options.get("wait", True):
        _compare(await send(bench, request, options.get("jwt")), options.get("expect"))
        await bench.finish()
    elif "expect" in options:
        raise CaseError("a send that does not wait for its answer cannot expect one")
    else:
        await start(bench, request, options.get("jwt"))
        await (await bench.connection()).ping()


async def _repeat(bench: Bench, options: Json) -> None:
    _only(options, "n", "interval_s", "payload", "expect")
    for number in range(1, options["n"] + 1):
        bench.names.words["I"] = str(number)
        _compare(await send(bench, _changed(bench.request, options)), options.get("expect"))
        await bench.advance(options.get("interval_s", 0))
    del bench.names.words["I"]


def _changed(request: Json, options: Json) -> Json:
    changed = dict(request)
    changed["headers"] = {**request.get("headers", {}), **options.get("headers", {})}
    if "payload" in options:
        changed.pop("payload_size", None)
        changed["payload"] = options["payload"]
    return changed


def _compare(answer: Answer, expect: Json | None) -> None:
    found = {"status": answer.status, "reason": answer.fields.get("reason")}
    for name, wanted in (expect or {}).items():
        if name not in found:
            raise CaseError(f"unknown expectation {name!r}")
        if found[name] != wanted:
            raise CaseError(
                f"a step was answered {found['status']} {found['reason'] or ''}, expected {name} {wanted}"
            )


async def _advance(bench: Bench, options: Json) -> None:
    _only(options, "seconds")
    if options["seconds"] < 0:
        raise CaseError("the virtual clock goes forward only")
    await bench.advance(options["seconds"])


async def _ping(bench: Bench, options: Json) -> None:
    _only(options)
    bench.ping_acknowledged = await (await bench.connection()).ping()


async def _device(bench: Bench, options: Json) -> None:
    _only(options, "set")
    for key, value in options["set"].items():
        bench.set_device(key, value)
    await bench.finish()


async def _profile(bench: Bench, options: Json) -> None:
    _only(options, "set")
    for key, value in options["set"].items():
        bench.set_profile(key, value)


async def _fault(bench: Bench, options: Json) -> None:
    kind = options.get("kind")
    if kind not in FAULTS:
        raise CaseError(f"unknown fault {kind!r}")
    arm, *needed = FAULTS[kind]
    _only(options, "kind", *needed)
    missing = set(needed) - set(options)
    if missing:
        raise CaseError(f"fault {kind!r} has no {', '.join(missing)}")
    arm(bench, options)
    await bench.finish()


async def _seed_channels(bench: Bench, options: Json) -> None:
    _only(options, "n")
    bench.seed_channels(options["n"])


async def _expect(bench: Bench, options: Json) -> None:
    _only(options, "assert")
    await bench.finish()
    for assertion in options["assert"]:
        await check(bench, assertion)


def _only(options: Json, *known: str) -> None:
    unknown = set(options) - set(known)
    if unknown:
        raise CaseError(f"unknown option {', '.join(sorted(unknown))}")


STEPS: dict[str, Callable[[Bench, Json], Awaitable[None]]] = {
    "connect": _connect,
    "send": _send,
    "repeat": _repeat,
    "advance": _advance,
    "ping": _ping,
    "device": _device,
    "profile": _profile,
    "fault": _fault,
    "seed_channels": _seed_channels,
    "expect": _expect,
}

FAULTS: dict[str, tuple[Callable[[Bench, Json], object], *tuple[str, ...]]] = {
    "status": (lambda bench, options: bench.answer_next_with(options["status"]), "status"),
    "goaway": (lambda bench, options: bench.sandbox.goaway(options["reason"]), "reason"),
    "shutdown": (lambda bench, _: bench.sandbox.shutdown(),),
    "idle_timeout": (lambda bench, _: bench.sandbox.idle_timeout(),),
    "hold": (lambda bench, _: bench.sandbox.hold(),),
    "release": (lambda bench, _: bench.sandbox.release(),),
}
"""Every kind of fault: what arms it, and the options it needs."""
