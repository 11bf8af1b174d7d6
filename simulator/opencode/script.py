"""What a model answers to one prompt, as data: a script of model calls, and how a provider refuses one. No I/O.

Both generations of the server play the same scripts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]
Finish = Literal["stop", "length", "content-filter", "unknown"]
PermissionReply = Literal["once", "always", "reject"]
PERMISSION_REPLIES: tuple[PermissionReply, ...] = ("once", "always", "reject")
FOR_EVER = -1
OVERFLOW = "context_length_exceeded"

_MESSAGES: dict[int | str, str] = {
    400: "bad request: invalid parameter",
    401: "Incorrect API key provided",
    402: "You exceeded your current quota, please check your plan and billing details",
    403: "You do not have access to this model",
    429: "Rate limit reached for requests",
    500: "The server had an error while processing your request",
    503: "Service temporarily overloaded",
    OVERFLOW: "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 tokens.",
    "refused": "Cannot connect to API: Unable to connect. Is the computer able to access the url?",
    "in_stream": '{"error":{"message":"The server had an error while processing your request","type":"server_error"}}',
    "no_model": "Model not found: fake/no-such-model.",
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


def fault(kind: int | str, message: str | None = None) -> Fault:
    """A fault in the provider's usual words, or in others."""
    return Fault(kind, message or _MESSAGES.get(kind, f"The provider answered {kind}"))


@dataclass(frozen=True, slots=True)
class Say:
    """Text, one word every `gap` seconds, after `delay` seconds and the `thoughts`."""

    words: tuple[str, ...]
    gap: float = 0.02
    thoughts: tuple[str, ...] = ()
    delay: float = 0.0
    finish: Finish = "stop"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool call. `reply` (or `answers`, of a question) comes by itself `after` seconds; if None a person must give it.

    `name` and `input` are in the words of generation 1. `message` is what that person says with a no; `why` is the reason that
    generation 2 gives when it asks. With `asks` the tool asks
    for permission even if it usually does not; "once": "always" has nothing to store. A `background` tool goes on by itself while the agent does (generation 1
    waits for it).
    """

    name: str
    input: Json
    reply: PermissionReply | None = None
    answers: tuple[tuple[str, ...], ...] | None = None
    after: float = 0.0
    script: "Script | None" = None
    message: str | None = None
    why: str | None = None
    asks: bool | Literal["once"] = False
    background: bool = False

    @property
    def patience(self) -> float | None:
        """Seconds until the scripted answer comes; None if there is none."""
        return None if self.reply is None and self.answers is None else self.after


@dataclass(frozen=True, slots=True)
class Use:
    """Tool calls of one model call, after what it says before them."""

    tools: tuple[Tool, ...]
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fail:
    """The provider refuses `times` in a row (-1: for ever); `retry_after` is its header, in seconds.

    `said` is what it has said each time before it fails.
    """

    fault: Fault
    times: int = FOR_EVER
    retry_after: float | None = None
    said: Say | None = None


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """No model call: an event of any type, with the session's identifier among its properties."""

    kind: str
    properties: Json


ModelCall = Say | Use | Fail
Call = ModelCall | EmitEvent


@dataclass(frozen=True, slots=True)
class Script:
    """Model calls, and events between them, in order; when they are used up without a last word, `ENDING` follows.

    `abort_after` so many seconds a person aborts; generation 2 says why, in the word `reason`.
    """

    calls: tuple[Call, ...] = ()
    abort_after: float | None = None
    reason: str = "user"


def words(word: str, count: int) -> tuple[str, ...]:
    """`word0 word1 ...`, each with its blank, as a provider's chunks have it."""
    return tuple(f"{word}{number} " for number in range(count))


ENDING = Say(words("word", 5))
"""What the model says when its script says nothing more."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What the model makes of a prompt: its script, and the title it would give to the session."""

    script: Script
    title: str


Model = Callable[[str], Reaction]
"""From the text of a prompt."""
