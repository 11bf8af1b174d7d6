"""Random requests to one process, made by schemathesis from its own OpenAPI document, and what was wrong with the replies."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.core.failures import FailureGroup
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fuzz.processes import SECRET, TOKENS, Process

REQUEST_SECONDS = 10.0
"""A request that takes longer hangs."""
COPIES = 3
"""So often each case is sent again with other bytes: what no client library would send."""
CHUNK = 50
"""Cases of one draw."""
PINNED: dict[str, list[Any]] = {
    "secret": [SECRET],
    "refuse": [False],
    "deviceToken": TOKENS,
    "sessionID": ["ses_1", "ses_2", "ses_3"],
    "name": ["iPhone"],
    "bundle_id": ["com.example.app"],
}
"""Values that mean something: with random ones no event would ever find a phone, and after a refusal no other would, either."""
EXACT = frozenset({"relay"})
"""Processes whose routes take everything that fits the document; elsewhere a name may be taken, or a phone not be there."""
INEXACT = frozenset({"/v1/answer"})
"""Their route that does not: nobody asks what a random answer answers to, and it says one thing of four."""
CONFORMANCE = [status_code_conformance, content_type_conformance, response_schema_conformance]
PIECES = [b"\\ud83d", b"\\ude00", b"\xed\xa0\xbd", b"\xff", b"\x00", b"null", b"[" * 500, b'"', b"1e999", b"NaN", b"\xef\xbb\xbf", b"{}"]  # fmt: skip


@dataclass
class Traffic:
    """What was sent to a process, by status, and what was wrong."""

    process: Process
    seed: int
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        document = requests.get(self.process.document, timeout=REQUEST_SECONDS).json()
        self._schema = schemathesis.openapi.from_dict(document)
        self._random, self._session, self._draws = Random(self.seed), requests.Session(), 0
        self.routes: Counter[str] = Counter()

    @property
    def sent(self) -> int:
        """Requests."""
        return self.statuses.total()

    def send(self, number: int) -> None:
        """So many requests; half of the cases fit the document, half do not."""
        ends = self.sent + number
        while self.sent < ends:
            self._draws += 1
            self._draw(max(1, min(CHUNK, (ends - self.sent) // (1 + COPIES))), fits=self._draws % 2 == 0)

    def _draw(self, cases: int, fits: bool) -> None:
        mode = GenerationMode.POSITIVE if fits else GenerationMode.NEGATIVE

        @seed(self.seed + self._draws)
        @settings(max_examples=cases, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(case=self._schema.as_strategy(generation_mode=mode))
        def send_all(case: Any) -> None:
            self._send_case(case, fits)

        send_all()

    def _send_case(self, case: Any, fits: bool) -> None:
        if isinstance(case.body, dict) and self._random.random() < 0.7:
            case.body = {name: self._random.choice(PINNED[name]) if name in PINNED else value for name, value in case.body.items()}  # fmt: skip
        request = requests.Request(**case.as_transport_kwargs(base_url=self.process.url)).prepare()
        self.routes[f"{case.method} {case.path}"] += 1
        response = self._send(request)
        if response is not None and (disagreement := self._disagreement(case, response, fits)):
            self._fault(request, disagreement)
        for _ in range(COPIES):
            copy = request.copy()
            copy.headers.pop("Content-Length", None)  # `requests` leaves it where the new body is empty
            copy.prepare_body(_mutated(_body(request), self._random), None)
            self._send(copy)

    def _disagreement(self, case: Any, response: requests.Response, fits: bool) -> str:
        """What the document says otherwise of this reply."""
        exact = self.process.name in EXACT and case.path not in INEXACT
        if fits and exact and response.status_code != 200:
            return f"the document allows it, the route does not: {response.status_code} {response.text}"
        try:
            case.validate_response(response, checks=CONFORMANCE)
        except (AssertionError, FailureGroup) as error:
            return f"the document describes no such reply: {error!r}"
        return ""

    def _send(self, request: requests.PreparedRequest, again: bool = True) -> requests.Response | None:
        """The reply, if there is one and it ended."""
        began = time.monotonic()
        try:
            with self._session.send(
                request, timeout=REQUEST_SECONDS, stream=True, allow_redirects=False
            ) as response:
                kind = response.headers.get("Content-Type", "").partition(";")[0]
                text = b"" if kind == "text/event-stream" else response.content
        except requests.RequestException as error:
            # A server may close a connection after any reply, as for a GET whose body it did not read; a client sends what
            # is idempotent again (RFC 9112 section 9.3.1).
            if again and "RemoteDisconnected" in str(error) and request.method == "GET":
                return self._send(request, again=False)
            self.statuses[0] += 1
            self._fault(request, f"{type(error).__name__}: {error}")
            return None
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        self.statuses[response.status_code] += 1
        if wrong := _wrong(response.status_code, kind, text, took):
            self._fault(request, wrong)
        return response if kind != "text/event-stream" else None

    def _fault(self, request: requests.PreparedRequest, wrong: str) -> None:
        self.faults.append(f"{request.method} {request.url} {_body(request)[:2000]!r}: {wrong}")


def _body(request: requests.PreparedRequest) -> bytes:
    body = request.body or b""
    return body.encode() if isinstance(body, str) else bytes(body)


def _wrong(status: int, kind: str, text: bytes, took: float) -> str:
    """What is wrong with a reply; "" if nothing is."""
    if status >= 500:
        return f"status {status}: {text[:500]!r}"
    if took > REQUEST_SECONDS:
        return f"it took {took:.1f} s"
    if kind == "text/event-stream":
        return ""
    try:
        json.loads(text)
    except ValueError:
        # A server that cannot read a request line or its headers has no JSON for it (RFC 9112 section 2.2).
        return "" if status == 400 and not text else f"status {status} with {kind!r}, no JSON: {text[:200]!r}"
    return ""


def _mutated(body: bytes, random: Random) -> bytes:
    """The body cut, with bytes of it changed, or with a piece that JSON's readers stumble over."""
    place = random.randrange(len(body) + 1)
    match random.randrange(4):
        case 0:
            return body[:place]
        case 1:
            return body[:place] + random.choice(PIECES) + body[place:]
        case 2:
            return body[:place] + random.choice(PIECES) + body[place + 1 + random.randrange(4) :]
        case _:
            return bytes(byte ^ (random.random() < 0.02) * random.randrange(256) for byte in body)
