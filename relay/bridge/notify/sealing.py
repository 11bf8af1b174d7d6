"""Whether an event's texts leave in clear or sealed, and how they are sealed. Pure; the key never leaves this machine but by the pairing code."""

from typing import Literal, get_args

import msgspec

from relay import contract
from relay.alert_payload import cut_json, cut_json_middle, encode
from relay.contract import EVENT_KINDS, Event
from relay.encryption import PairingKey

Policy = Literal["auto", "require", "off"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

MAX_PLAIN = 2000
"""Bytes of sealed JSON: as ciphertext they fill the 2700 characters that an event may bring."""
MAX_TITLE = 400
NO_TITLE = "OpenCode session"
"""What a card says in clear that shows its texts only to whoever has the key."""
MESSAGES: dict[contract.Status, str] = {
    **{kind.status: kind.message for kind in EVENT_KINDS.values()},
    "retry": "Retrying...",
}


class Sealing:
    """`auto`: sealed as soon as every phone under the secret has the key; `require`: always, and a phone without it shows what kind
    of event it is and no more; `off`: never.
    """

    def __init__(self, policy: Policy, key: PairingKey | None) -> None:
        self._policy, self._key = policy, key
        self._all_have_key = False

    @property
    def kid(self) -> str | None:
        """The name of the key that phones should have; None if none is used."""
        return None if self._policy == "off" or self._key is None else self._key.kid

    @property
    def seals(self) -> bool:
        """Whether the next event leaves sealed."""
        return self.kid is not None and (self._policy == "require" or self._all_have_key)

    def learn(self, phones: int | None, with_key: int | None) -> bool:
        """What the relay said of the phones (None: nothing). Returns whether events leave differently from now on."""
        before = self.seals
        self._all_have_key = bool(phones) and phones == with_key
        return self.seals is not before

    def __call__(self, event: Event) -> Event:
        """The event as it leaves."""
        return sealed(event, self._key) if self.seals and self._key else event


def sealed(event: Event, key: PairingKey) -> Event:
    """The event without a text in clear. What iOS shows before anybody can open it is the relay's, by the type of the event.

    A start's alert is shown by iOS itself, with no code of the app between (Apple, ActivityKit push notifications): it goes.
    """
    changes = {
        "title": None,
        "body": None,
        "enc": _alert(event, key),
        "content_state": event.content_state and _card(event.content_state, event.session_id, key),
    }
    return msgspec.structs.replace(event, **changes)


def _alert(event: Event, key: PairingKey) -> contract.Envelope | None:
    if event.event_type == "start" or not (event.title and event.body):
        return None
    title = cut_json(event.title, MAX_TITLE)
    shortened = cut_json_middle if event.event_type == "permission" else cut_json
    room = MAX_PLAIN - len(encode({"title": title, "body": ""}))
    plain = encode({"title": title, "body": shortened(event.body, room)})
    return key.seal(plain, "alert/1", [event.event_type, event.session_id])


def _card(state: contract.ContentState, session_id: str, key: PairingKey) -> contract.ContentState:
    texts = {
        "sessionTitle": state.session_title,
        "lastMessage": state.last_message,
        "retryInfo": state.retry_info,
    }
    return msgspec.structs.replace(
        state,
        session_title=NO_TITLE,
        last_message=MESSAGES[state.status],
        retry_info=None,
        enc=key.seal(encode(texts), "card/1", [session_id]),
    )
