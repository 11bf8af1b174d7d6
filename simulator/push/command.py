"""`simulator push`: finds the running sandbox, pushes to it as a provider does, and asks what became of the push."""

import asyncio
import json
import ssl
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import jwt

from simulator.conform.client import Answer, Connection
from simulator.journal import Entry
from simulator.lab.lines import outcome_of, printable
from simulator.lab.ready import CONTROL
from simulator.lab.why import Why, explain
from simulator.process import CommandError
from simulator.push.message import Message, PushOptions, message

Json = dict[str, Any]

SECONDS: Final = 10.0
"""For a reply of the control API."""
BAD: Final = frozenset({"dropped", "discarded"})


@dataclass(frozen=True, slots=True)
class Where:
    """Which sandbox, by its ready file, else by its control API; and which phone on it (None: the first)."""

    ready_file: Path | None = None
    control: str = CONTROL
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """APNs' answer and the entries of the journal about the push."""

    status: int | None
    reason: str | None
    apns_id: str | None
    answers: list[Entry] = field(default_factory=list)
    later: list[Entry] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """APNs took it, and nobody dropped it; it may wait."""
        return self.status == 200 and not any(map(_is_bad, self.later))


def _is_bad(entry: Entry) -> bool:
    detail = entry.detail
    nobody = detail.get("outcome") == "sent" and detail.get("device") is None
    return nobody or entry.what in BAD or detail.get("outcome") in BAD


async def push(options: PushOptions, where: Where) -> Result:
    """One push and what became of it. CommandError if there is no sandbox, or nothing to push."""
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as http:
        control = _control_of(where)
        sandbox = await _get(http, control, "", _hint(where))
        name = where.device or sandbox.get("device")
        if name is None:
            raise CommandError("the sandbox has no phone; add one with POST /control/devices")
        phone = (await _get(http, control, f"/devices/{quote(name, safe='')}"))["device"]
        sent = message(options, phone, time.time())
        answer = await _send(sent, sandbox, phone["realm"])
        return await _result(http, control, answer)


def _control_of(where: Where) -> str:
    if where.ready_file is None:
        return where.control.rstrip("/")
    try:
        return str(json.loads(where.ready_file.read_text())["control"])
    except OSError as error:
        raise CommandError(
            f"{where.ready_file} cannot be read ({error.strerror}): no sandbox is ready that writes it"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise CommandError(f"{where.ready_file} is no ready file of `simulator apns`") from None


def _hint(where: Where) -> str:
    named = where.ready_file or where.control
    return (
        f"no sandbox answers at {named}: start `simulator apns`, or name yours with --ready-file or --control"
    )


async def _get(http: aiohttp.ClientSession, control: str, path: str, hint: str = "") -> Json:
    try:
        async with http.get(control + path) as response:
            found: Json = await response.json()
    except (aiohttp.ClientError, ValueError, TimeoutError):
        raise CommandError(hint or f"{control}{path} does not answer any more") from None
    if not found.get("ok"):
        raise CommandError(str(found.get("error") or hint))
    return found


async def _send(sent: Message, sandbox: Json, realm: str) -> Answer:
    context = ssl.create_default_context(cafile=sandbox["ca_file"])
    context.set_alpn_protocols(["h2"])
    headers = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", f"/3/device/{sent.token}"),
        ("authorization", f"bearer {_provider_token(sandbox)}"),
        *((name, value.strip()) for name, value in sent.headers.items()),
    ]
    connection = Connection()
    try:
        await connection.open(sandbox["ports"][realm], context, sandbox["host"])
        return await connection.answer(await connection.request(headers, sent.payload))
    finally:
        await connection.close()


def _provider_token(sandbox: Json) -> str:
    if sandbox.get("key_file") is None:
        raise CommandError("the sandbox has no key file, so that nothing can be signed")
    key = Path(sandbox["key_file"]).read_text()
    claims = {"iss": sandbox["team_id"], "iat": int(time.time())}
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": sandbox["key_id"]})


async def _result(http: aiohttp.ClientSession, control: str, answer: Answer) -> Result:
    apns_id = answer.headers.get("apns-id")
    key = answer.headers.get("apns-unique-id") or apns_id
    result = Result(answer.status, answer.fields.get("reason"), apns_id)
    if key is None:
        return result
    known = await _get(http, control, f"/deliveries/{quote(key, safe='')}")
    result.answers.extend(Entry(**one) for one in known["answers"])
    for delivery in known["deliveries"]:
        last = {name: delivery[name] for name in ("outcome", "why", "device")}
        result.later.append(Entry(delivery["received_at"], "apns", "delivery", last))
    result.later.extend(Entry(**one) for one in known["phone"])
    return result


# --- what is printed ----------------------------------------------------------------------------------------------


def lines(result: Result) -> list[str]:
    """What APNs answered, what became of the push, and the rule behind what went wrong."""
    if result.status is None:
        return ["APNs    gave no answer"]
    answered = f"{result.status} {result.reason or 'accepted'}"
    found = [f"APNs    {answered}" + (f", apns-id {result.apns_id}" if result.apns_id else "")]
    for entry in result.answers[-1:]:
        found += _explained(entry, with_words=True)
    on_phones = [entry for entry in result.later if entry.where == "phone"]
    for entry in on_phones or result.later:
        text = outcome_of(entry)
        if text is not None:
            found += [f"{_who(entry):<7} {printable(text)}", *_explained(entry)]
    return found


def _who(entry: Entry) -> str:
    return "APNs" if entry.where == "apns" else printable(entry.detail.get("phone", "phone"))


def _explained(entry: Entry, *, with_words: bool = False) -> list[str]:
    why = explain(entry)
    if why is None:
        return []
    words = [f"        {printable(why.short)}"] if with_words else [f"        {why.rule}"]
    return [*words, f"        ({why.source}; {why.confidence})"]


def fields(result: Result) -> Json:
    """The same for programs."""
    answer = explain(result.answers[-1]) if result.answers else None
    return {
        "ok": result.ok,
        "status": result.status,
        "reason": result.reason,
        "apns_id": result.apns_id,
        "why": _why(answer),
        "became": [
            {"where": one.where, "what": one.what, "text": outcome_of(one), "why": _why(explain(one))}
            for one in result.later
        ],
    }


def _why(why: Why | None) -> Json | None:
    return None if why is None else why._asdict()


def run(options: PushOptions, where: Where, *, as_json: bool) -> int:
    """Push and print; 0 if it was shown or waits, 1 if it was refused, discarded or dropped."""
    result = asyncio.run(push(options, where))
    if as_json:
        print(json.dumps(fields(result)))
    else:
        print("\n".join(lines(result)))
    return 0 if result.ok else 1


def read_payload(name: str) -> Json:
    """The payload in a file, or of standard input (`-`). CommandError."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
        found = json.loads(text)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{name} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise CommandError(f"{name} is no payload, which is a JSON object with the key aps")
    return found
