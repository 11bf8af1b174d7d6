"""The requests that a phone may answer: what goes to the phone with each, and whether an answer is right. Pure."""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from relay.answers import FetchedAnswer, Outcome, parts_of
from relay.bridge.notify.source import Change
from relay.contract import Choice, Request
from relay.encryption import PairingKey, base64url

LASTS_SECONDS = 3600
"""An agent that waits for longer is answered at the computer."""
MOST = 100
LONGEST_SHOWN = 300
"""Characters of a request that an alert shows whole. Of a longer one, or one of several lines, a person cannot see what is allowed: it can
be denied, and opened to be read."""
ALLOW, ALWAYS, DENY = (
    Choice(value="once", label="Allow"),
    Choice(value="always", label="Always allow"),
    Choice(value="reject", label="Deny"),
)
SAID = {
    "once": "Allowed from the phone",
    "always": "Allowed from the phone, always",
    "reject": "Denied from the phone",
}
"""What alert and card say then."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A permission of a session, and the decisions that a phone may take."""

    session_id: str
    request_id: str
    decisions: frozenset[str]


class OpenRequests:
    """`may_always`: a phone may allow for good. With a `key` an answer needs the proof that a paired phone gave it.

    `asked` is called when a request waits. Nonces are derived, so that a bridge that was restarted knows those of the one before.
    """

    def __init__(
        self,
        secret: str,
        key: PairingKey | None,
        *,
        may_always: bool = False,
        asked: Callable[[], None] = lambda: None,
    ) -> None:
        self._secret, self._key, self._may_always, self._asked = secret, key, may_always, asked
        self._open: OrderedDict[str, OpenRequest] = OrderedDict()

    @property
    def any_waits(self) -> bool:
        """Whether there is one."""
        return bool(self._open)

    def ask(self, change: Change, now: float) -> Request | None:
        """What the phone gets with the alert of an `asked`; None: it is answered at the computer. `now`: UNIX seconds."""
        if not change.permission_of or (len(self._open) >= MOST and change.subject_id not in self._open):
            return None
        choices = self._choices(change.text)
        decisions = frozenset(choice.value for choice in choices)
        self._open[change.subject_id] = OpenRequest(change.permission_of, change.subject_id, decisions)
        self._asked()
        return Request(
            id=change.subject_id,
            kind="permission",
            nonce=self._nonce(change.subject_id),
            expires_at=int(now) + LASTS_SECONDS,
            choices=choices,
            kid=self._key.kid if self._key else None,
        )

    def close(self, request_id: str) -> bool:
        """Nobody waits for its answer any more. Whether it was open."""
        return self._open.pop(request_id, None) is not None

    def find(self, request_id: str) -> OpenRequest | None:
        """The request, if it waits."""
        return self._open.get(request_id)

    def judge(self, answer: FetchedAnswer, now: float) -> Outcome | None:
        """Why an answer is not passed on; None: it is."""
        request = self._open.get(answer.request_id)
        if not hmac.compare_digest(answer.nonce.encode(), self._nonce(answer.request_id).encode()):
            return "refused"
        if self._key and not (answer.proof and self._key.proves(parts_of(answer), answer.proof)):
            return "refused"
        if answer.expires_at <= now or request is None:
            return "gone"
        return None if answer.decision in request.decisions else "refused"

    def _choices(self, text: str) -> list[Choice]:
        if len(text) > LONGEST_SHOWN or "\n" in text:
            return [DENY]
        return [ALLOW, *([ALWAYS] if self._may_always else []), DENY]

    def _nonce(self, request_id: str) -> str:
        """Of the key if there is one, else of the secret: who has that can answer anyway."""
        source = self._key.octets if self._key else self._secret.encode()
        return base64url(hmac.digest(source, b"nonce/1 " + request_id.encode(), hashlib.sha256))[:32]
