"""The wire contract of answers: what a phone says to a request that waits, and how the bridge fetches it. No I/O.

The relay passes an answer on. It decides nothing by itself: silence is no answer, and a request that nobody answers in time is over.
"""

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from relay.contract import Envelope, Message, Refusal
from relay.fields import Name, Secret, Token

Outcome = Literal["applied", "gone", "refused"]
"""What the bridge made of an answer: OpenCode took it; nobody waits for it any more; it was not right (proof, choice, policy)."""
RequestState = Literal["pending", "answered", "withdrawn", "expired", "closed"]
"""Only a pending request takes an answer. `closed`: too many wrong nonces."""

MAX_ANSWER = 1024
"""Bytes of the body of POST /v1/answer."""
LONGEST_WAIT = 25.0

Wait = Annotated[float, Meta(ge=0, le=LONGEST_WAIT, description="0 to 25 seconds")]
Value = Annotated[str, Meta(min_length=1, max_length=64, description="text of 1 to 64 characters")]
Nonce = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_-]{22,64}$(?!\n)", description="22 to 64 characters of base64url")
]


class Answer(Message, frozen=True, kw_only=True, omit_defaults=True):
    """POST /v1/answer: what a phone says to a request. One of `decision`, `answers`, `text` and `enc`.

    `decision`: a permission's; `answers`: the values chosen of a question's; `text`: typed; `enc`: typed, and sealed. `proof`: that a paired
    phone says so (`parts_of`); needed where the pairing carried a key.
    """

    secret: Secret
    request_id: Name
    nonce: Nonce
    decision: Value | None = None
    answers: Annotated[list[Value], Meta(min_length=1, max_length=16)] | None = None
    text: Annotated[str, Meta(min_length=1, max_length=400)] | None = None
    enc: Envelope | None = None
    proof: Annotated[str, Meta(max_length=64)] | None = None
    device_token: Token | None = None


def parts_of(answer: "FetchedAnswer") -> list[str]:
    """What the proof of an answer is made over (`relay.encryption.PairingKey.proof`)."""
    said = {
        "decision": [answer.decision] if answer.decision else None,
        "answers": answer.answers,
        "text": [answer.text] if answer.text else None,
        "enc": [answer.enc.n, answer.enc.ct] if answer.enc else None,
    }
    given = [word for kind, values in said.items() if values for word in (kind, *values)]
    return [answer.request_id, answer.nonce, *given, str(answer.expires_at)]


class AnswerTaken(Message, frozen=True, kw_only=True):
    """Reply of /v1/answer, with status 202: the bridge gets it. Whether OpenCode takes it, the next push says."""

    state: Literal["taken"] = "taken"
    ok: bool = True


class AnswerRefusal(Refusal, frozen=True, kw_only=True, omit_defaults=True):
    """Reply of /v1/answer with status 409: the request takes no answer any more. `by`: the end of the answering phone's token."""

    state: RequestState
    by: str | None = None


class FetchAnswers(Message, frozen=True, kw_only=True):
    """POST /v1/answers: the answers that were not acknowledged yet; where there are none, waits for one, `wait` seconds at most."""

    secret: Secret
    wait: Wait = 0.0


class FetchedAnswer(Message, frozen=True, kw_only=True, omit_defaults=True):
    """One answer as the phone gave it. `by`: the last eight digits of its token; `expires_at`: UNIX seconds, as the request said."""

    request_id: Name
    nonce: str
    expires_at: int
    decision: str | None = None
    answers: list[str] | None = None
    text: str | None = None
    enc: Envelope | None = None
    proof: str | None = None
    by: str | None = None


class Answers(Message, frozen=True, kw_only=True):
    """Reply of /v1/answers, the oldest first."""

    answers: list[FetchedAnswer]
    ok: bool = True


class Acknowledge(Message, frozen=True, kw_only=True):
    """POST /v1/answers/ack: the bridge is through with an answer. Doing it again is harmless."""

    secret: Secret
    request_id: Name
    outcome: Outcome


def nonce_hash(nonce: str) -> str:
    """SHA-256 of the nonce in hex: what the relay keeps of it."""
    return hashlib.sha256(nonce.encode()).hexdigest()


def says_one_thing(answer: Answer) -> bool:
    """Whether exactly one of the ways to answer is used."""
    return sum(one is not None for one in (answer.decision, answer.answers, answer.text, answer.enc)) == 1


def without_secret(answer: Answer, expires_at: int) -> bytes:
    """The answer as the relay keeps it until the bridge has it."""
    by = answer.device_token[-8:].lower() if answer.device_token else None
    fields = {
        name: getattr(answer, name)
        for name in FetchedAnswer.__struct_fields__
        if name not in ("by", "expires_at")
    }
    return msgspec.json.encode(FetchedAnswer(**fields, expires_at=expires_at, by=by))
