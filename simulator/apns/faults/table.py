"""The fault rules in force, and which of them applies to a request. Pure and seeded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from simulator.apns.errors import BadFault
from simulator.apns.faults.document import dump, load
from simulator.apns.faults.rule import AnswerWith, Fault


class _Rule:
    """A fault in force, with its counts."""

    __slots__ = ("added_at", "fault", "given", "met", "random", "struck")

    def __init__(self, given: Fault, fault: Fault, added_at: float, random: Random) -> None:
        self.given = given
        self.fault = fault
        self.added_at = added_at
        self.random = random if fault.seed is None else Random(fault.seed)
        self.met = 0
        self.struck = 0


class FaultTable:
    """The rules in force, oldest first; the first that applies wins. `now` gives UNIX seconds."""

    def __init__(self, random: Random, now: Callable[[], float] = lambda: 0.0) -> None:
        self._random = random
        self._now = now
        self._rules: list[_Rule] = []
        self._added = 0

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, fault: Fault) -> Fault:
        """Put a rule in force; it is returned, with its id, for `remove`.

        KeyError for an unknown reason without a status; BadFault for an id that is in force already.
        """
        if isinstance(fault.do, AnswerWith):
            fault.do.code()
        named = fault if fault.id else replace(fault, id=self._new_id())
        if named.id in self.struck():
            raise BadFault(f"a fault {named.id!r} is in force already")
        self._rules.append(_Rule(fault, named, self._now(), self._random))
        return named

    def remove(self, fault: Fault | str) -> bool:
        """Take this rule, or the one of this id, out; False if it is not in force."""
        before = len(self._rules)
        self._rules = [each for each in self._rules if not _is(each, fault)]
        return len(self._rules) < before

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def load(self, rules: Sequence[Mapping[str, Any]]) -> list[str]:
        """Put rules from JSON in force (see `faults.document`); their ids. BadFault: then none of them is."""
        taken = set(self.struck())
        faults = load(rules)
        for fault in faults:
            if fault.id in taken:
                raise BadFault(f"a fault {fault.id!r} is in force already")
            taken |= {fault.id} - {""}
        return [self.add(fault).id for fault in faults]

    def dump(self) -> list[dict[str, Any]]:
        """The rules in force as JSON values, as `load` takes them."""
        return dump([rule.fault for rule in self._rules])

    def struck(self) -> dict[str, int]:
        """How often each rule in force was applied, by id."""
        return {rule.fault.id: rule.struck for rule in self._rules}

    def strike(self, token: str, topic: str | None, push_type: str, realm: str) -> Fault | None:
        """The rule that applies to this request, which is counted; None if there is none."""
        for rule in self._rules:
            if rule.fault.meets(token, topic, push_type, realm) and self._strikes(rule):
                rule.struck += 1
                return rule.fault
        return None

    def _strikes(self, rule: _Rule) -> bool:
        fault = rule.fault
        if not fault.after_s <= self._now() - rule.added_at < fault.until_s:
            return False
        rule.met += 1
        if fault.nth not in (None, rule.met) or (fault.times is not None and rule.struck >= fault.times):
            return False
        return fault.probability >= 1 or rule.random.random() < fault.probability

    def _new_id(self) -> str:
        taken = self.struck()
        while (name := f"fault-{self._added + 1}") in taken:
            self._added += 1
        self._added += 1
        return name


def _is(rule: _Rule, fault: Fault | str) -> bool:
    return rule.fault.id == fault if isinstance(fault, str) else fault is rule.fault or fault is rule.given
