"""What becomes of an examined request, as values: the answer, whether the provider proved itself, what is delivered."""

from typing import NamedTuple

from simulator.apns.answers import ACCEPTED, Answer
from simulator.apns.checks import PRIORITIES, Check, Exam, examine
from simulator.apns.delivery.delivery import Delivery
from simulator.apns.delivery.token_life import expired_at, unregistered_at
from simulator.apns.reasons import REASONS
from simulator.apns.requests import DEFAULT_PRIORITY


class Ruling(NamedTuple):
    """`delivery` is None unless the push was accepted."""

    answer: Answer
    authenticated: bool
    delivery: Delivery | None = None


def rule(exam: Exam, apns_id: str, unique_id: str | None) -> Ruling:
    """The decision. `apns_id` is the one to answer with; `unique_id` goes with an accepted push."""
    check = examine(exam)
    if check is None:
        return Ruling(Answer(ACCEPTED, None, apns_id, unique_id), True, _delivery(exam, apns_id, unique_id))
    reason = check.reason
    if reason == "BadEnvironmentKeyInToken":
        reason = exam.profile.environment_reason
    answer = Answer(REASONS[reason].status, reason, apns_id, None, _gone_since(exam, check))
    return Ruling(answer, check.stage in ("push", "device"))


def _gone_since(exam: Exam, check: Check) -> int | None:
    """Milliseconds since 1970 at which the device token became invalid, for a 410."""
    ended = {"ExpiredToken": expired_at, "Unregistered": unregistered_at}.get(check.reason)
    if exam.device is None or ended is None:
        return None
    since = ended(exam.device, exam.profile, exam.now)
    return None if since is None else int(since * 1000)


def _delivery(exam: Exam, apns_id: str, unique_id: str | None) -> Delivery:
    request = exam.request
    headers = request.headers
    expiration = headers.get("apns-expiration")
    return Delivery(
        apns_id=apns_id,
        apns_unique_id=unique_id,
        device_token=request.token,
        topic=request.topic or "",
        push_type=request.push_type,
        priority=PRIORITIES.get(headers.get("apns-priority", ""), DEFAULT_PRIORITY),
        expiration=None if expiration is None else int(expiration),
        collapse_id=headers.get("apns-collapse-id"),
        payload=exam.payload or {},
        accepted_at=exam.now,
        realm=exam.realm,
    )
