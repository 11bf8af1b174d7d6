"""What can go wrong on purpose: rules that single out requests, and what befalls them. Pure and seeded."""

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from simulator.apns.frames import ErrorCode
from simulator.apns.reasons import REASONS


class AnswerWith(NamedTuple):
    """Answer with this reason; its own status unless another is given. `timestamp` in milliseconds for 410."""

    reason: str
    status: int | None = None
    timestamp: int | None = None

    def code(self) -> int:
        """The HTTP status to send."""
        return self.status if self.status is not None else REASONS[self.reason].status


class Delay(NamedTuple):
    """Judge and deliver at once, answer `seconds` later by the sandbox's clock."""

    seconds: float


class Reset(NamedTuple):
    """RST_STREAM instead of an answer."""

    code: int = ErrorCode.INTERNAL_ERROR


class GoAway(NamedTuple):
    """GOAWAY with this reason; answers still due are sent, then the connection ends."""

    reason: str = "Shutdown"
    code: int = ErrorCode.NO_ERROR


class CloseConnection(NamedTuple):
    """Cut the TCP connection without a word."""


class Stall(NamedTuple):
    """Never answer; the stream stays open and keeps its slot."""


Action = AnswerWith | Delay | Reset | GoAway | CloseConnection | Stall


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. Every condition that is given must hold; a rule without conditions meets every push.

    `nth` counts the requests that meet the conditions, from 1; `times` ends the rule after so many strikes;
    `probability` is drawn from the table's seed. `accepts_first`: the push is judged and delivered first, and only its
    answer is lost, which is how duplicates come about; otherwise it never reaches the checks.
    """

    do: Action
    token: str | None = None
    topic: str | None = None
    push_type: str | None = None
    realm: str | None = None
    nth: int | None = None
    times: int | None = None
    probability: float = 1.0
    accepts_first: bool = False

    def meets(self, token: str, topic: str | None, push_type: str, realm: str) -> bool:
        """Whether a request is one of those meant."""
        return (
            self.token in (None, token)
            and self.topic in (None, topic)
            and self.push_type in (None, push_type)
            and self.realm in (None, realm)
        )


class _Rule:
    """A fault in force, with its counts."""

    __slots__ = ("fault", "met", "struck")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.met = 0
        self.struck = 0


class FaultTable:
    """The rules in force, oldest first; the first that strikes wins."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._rules: list[_Rule] = []

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, fault: Fault) -> Fault:
        """Put a rule in force; it is returned for `remove`. KeyError for an unknown reason without a status."""
        if isinstance(fault.do, AnswerWith):
            fault.do.code()
        self._rules.append(_Rule(fault))
        return fault

    def remove(self, fault: Fault) -> None:
        """Take this rule out; nothing if it is not in force."""
        self._rules = [rule for rule in self._rules if rule.fault is not fault]

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._rules.clear()

    def strike(self, token: str, topic: str | None, push_type: str, realm: str) -> Fault | None:
        """The fault for this request, which is counted; None if all goes well."""
        for rule in self._rules:
            if rule.fault.meets(token, topic, push_type, realm) and self._strikes(rule):
                rule.struck += 1
                return rule.fault
        return None

    def _strikes(self, rule: _Rule) -> bool:
        fault = rule.fault
        rule.met += 1
        if fault.nth not in (None, rule.met) or (fault.times is not None and rule.struck >= fault.times):
            return False
        return fault.probability >= 1 or self._random.random() < fault.probability
