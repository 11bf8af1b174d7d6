"""What a provider's refusals become: `session.error` bodies, and when the next try is. No I/O.

Bodies, names and delays as recorded from OpenCode 1.18.33.
"""

import json
import random
from dataclasses import dataclass

from simulator.opencode.v1.state import Json

OVERFLOW = "context_length_exceeded"
MOST_RETRIES = 5
_JITTER = 0.25
_LONGEST_WITHOUT_ANSWER = 30.0
"""Seconds; the cap holds only for failures without an HTTP response (read in OpenCode's code)."""
_PROVIDER = "http://127.0.0.1:4999/v1/chat/completions"
_HEADERS = {"content-type": "application/json", "server": "fake-provider"}

_MESSAGES: dict[int | str, str] = {
    400: "bad request: invalid parameter",
    401: "Incorrect API key provided",
    403: "You do not have access to this model",
    429: "Rate limit reached for requests",
    500: "The server had an error while processing your request",
    503: "Service temporarily overloaded",
    OVERFLOW: "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 tokens.",
    "refused": "Cannot connect to API: Unable to connect. Is the computer able to access the url?",
    "in_stream": '{"error":{"message":"The server had an error while processing your request","type":"server_error"}}',
    "no_model": "Model not found: fake/no-such-model.",
}

ABORTED: Json = {"name": "MessageAbortedError", "data": {"message": "Aborted"}}
FILTERED: Json = {
    "name": "ContentFilterError",
    "data": {"message": "The response was blocked by the provider's content filter"},
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong: an HTTP status of the provider, or `context_length_exceeded`, `refused` (nobody listens),
    `in_stream` (an error in the middle of the answer; its message is the provider's JSON), `no_model`."""

    kind: int | str
    message: str

    @property
    def retryable(self) -> bool:
        """Whether OpenCode tries again by itself."""
        return self.kind in ("refused", "in_stream") or (
            isinstance(self.kind, int) and (self.kind == 429 or self.kind >= 500)
        )

    def error(self) -> Json:
        """As `session.error` and the failed message have it. It holds the provider's address, headers and body."""
        if isinstance(self.kind, int):
            return {"name": "APIError", "data": self._answered(self.kind)}
        if self.kind == OVERFLOW:
            return {
                "name": "ContextOverflowError",
                "data": {"message": self.message, "responseBody": self._body(OVERFLOW)},
            }
        if self.kind in ("refused", "in_stream"):
            return {"name": "APIError", "data": {"message": self.message, "isRetryable": True}}
        return {"name": "UnknownError", "data": {"message": self.message}}

    def _answered(self, status: int) -> Json:
        return {
            "message": self.message,
            "statusCode": status,
            "isRetryable": self.retryable,
            "responseHeaders": _HEADERS,
            "responseBody": self._body(None),
            "metadata": {"url": _PROVIDER},
        }

    def _body(self, code: str | None) -> str:
        return json.dumps({"error": {"message": self.message, "type": "fake_error", "code": code}})


def fault(kind: int | str, message: str | None = None) -> Fault:
    """A fault in the provider's usual words, or in others."""
    return Fault(kind, message or _MESSAGES.get(kind, f"The provider answered {kind}"))


def stack_trace(error: Json) -> Json:
    """The second error of an unknown model: the first one's words, with the server's stack."""
    message = error["data"]["message"]
    return {
        "name": "UnknownError",
        "data": {
            "message": f"ProviderModelNotFoundError: {message}\n    at getModel (src/provider/provider.ts)"
        },
    }


def lost(session_id: str) -> Json:
    """The error of a turn whose session was deleted under it. Its SQL was seen in the message; the exact text is assumed."""
    return {
        "name": "UnknownError",
        "data": {
            "message": f'Failed query: insert into "part" ... FOREIGN KEY constraint failed: {session_id}'
        },
    }


def retry_delay(attempt: int, fault: Fault, retry_after: float | None, source: random.Random) -> float:
    """Seconds before try number `attempt` (from 1): 2, 4, 8 ... with up to a quarter more, or what the provider asks for."""
    if retry_after is not None:
        return retry_after
    delay: float = 2.0**attempt * (1 + _JITTER * source.random())
    return min(delay, _LONGEST_WITHOUT_ANSWER) if fault.kind == "refused" else delay
