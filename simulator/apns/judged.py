"""What a desk of APNs makes of a request, as a value; and what a desk is."""

from random import Random
from typing import NamedTuple, Protocol

from simulator.apns.answers import Answer, apns_uuid
from simulator.apns.delivery.mailbox import Parcel
from simulator.apns.faults import AnswerWith
from simulator.apns.requests import Request
from simulator.apns.session import Session


class Judged(NamedTuple):
    """The answer, whether the provider proved itself, and what is now to be carried to devices."""

    answer: Answer
    authenticated: bool
    parcels: tuple[Parcel, ...] = ()


class Desk(Protocol):
    """Judges one kind of request and changes what it changes, but carries nothing to a device."""

    def judge(self, request: Request, session: Session) -> Judged:
        """The whole decision."""
        ...

    def staged(self, request: Request, fault: AnswerWith) -> Answer:
        """The answer that a fault wants, with the ids of this kind of request."""
        ...


class Ids:
    """The ids that the server makes, as UUIDs of version 4."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def upper(self) -> str:
        """For apns-id and apns-request-id, as seen from the real server."""
        return apns_uuid(self._random.getrandbits(128))

    def lower(self) -> str:
        """For apns-unique-id."""
        return self.upper().lower()
