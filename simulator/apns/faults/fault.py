"""One rule of what goes wrong: whom it meets, when, how often, and what befalls them."""

from dataclasses import dataclass

from simulator.apns.faults.actions import NEED_AN_ANSWER, Action


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. Every condition that is given must hold; a rule without conditions meets every push.

    `nth` counts the requests that meet the conditions, from 1; `times` ends the rule after so many strikes;
    `probability` is drawn from `seed`, which repeats from run to run, or without one from the table's. `after_s` and `until_s` are seconds since the rule was added: it sleeps
    before the one and is over from the other on. `accepts_first`: the push is judged and delivered first, and only its
    answer is lost, which is how duplicates come about; otherwise it never reaches the checks. `id` names the rule for
    `remove`; the table gives one to a rule without.
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
    after_s: float = 0.0
    until_s: float = float("inf")
    id: str = ""
    seed: int | None = None

    @property
    def is_judged(self) -> bool:
        """Whether the push goes through the checks, and to the device, before this befalls it."""
        return self.accepts_first or isinstance(self.do, NEED_AN_ANSWER)

    def meets(self, token: str, topic: str | None, push_type: str, realm: str) -> bool:
        """Whether a request is one of those meant."""
        return (
            self.token in (None, token)
            and self.topic in (None, topic)
            and self.push_type in (None, push_type)
            and self.realm in (None, realm)
        )
