"""What a provider made of a case, by what it reported, what APNs was asked, and what the phone showed. No I/O."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from simulator.conform.providers.cases import BRISK, Case
from simulator.lab.sent import Push

Json = dict[str, Any]
Kind = Literal["lost", "gave up", "unanswered", "doubled", "misreported", "hammered", "protocol"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""It never arrived; the same, and the provider said so with APNs' reason; the provider said nothing of it; the phone showed it twice; what
was said is not what happened; APNs was asked more often than it should be; what came was not HTTP/2 as Apple wants it."""
KEY = "push"
"""In a payload: the id of its push."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Of how many pushes (or requests, connections, tokens), and a sentence."""

    kind: Kind
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known after a case. `reports` are the provider's lines by id, `shown` how often the phone showed each push."""

    pushes: Sequence[str]
    reports: Mapping[str, Json]
    shown: Mapping[str, int]
    requests: Sequence[Push]
    without_alpn: int = 0
    unfinished: int = 0
    errors: Sequence[str] = ()
    died: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one case; sound if nothing was found."""

    case: str
    about: str
    pushes: int
    seconds: float
    findings: list[Finding] = field(default_factory=list)

    def count(self, kind: Kind) -> int:
        """Of all findings of this kind."""
        return sum(one.count for one in self.findings if one.kind == kind)


def findings(case: Case, evidence: Evidence) -> list[Finding]:
    """All that was wrong."""
    found = [*_arrived(case, evidence), *_said(case, evidence), *_asked(case, evidence)]
    if evidence.died:
        found.append(Finding("unanswered", 1, f"the provider ended before it was asked to: {evidence.died}"))
    return found


def _ok(report: Json | None) -> bool:
    return report is not None and report.get("status") == 200


def _arrived(case: Case, evidence: Evidence) -> Iterator[Finding]:
    if case.expects == "delivered":
        missing = [one for one in evidence.pushes if not evidence.shown.get(one)]
        given_back = [one for one in missing if _reason(evidence.reports.get(one))]
        lost = len(missing) - len(given_back)
        if lost:
            yield Finding("lost", lost, "never arrived, though APNs would have taken them at another try")
        if len(given_back) > case.may_give_back:
            reasons = ", ".join(sorted({_reason(evidence.reports[one]) for one in given_back}))
            yield Finding(
                "gave up",
                len(given_back),
                f"were given back with APNs' reason ({reasons}), and not tried again",
            )
    doubled = [one for one, times in evidence.shown.items() if times > 1]
    if doubled:
        yield Finding("doubled", len(doubled), "were shown more than once")


def _reason(report: Json | None) -> str:
    return str(report.get("reason") or "") if report else ""


def _said(case: Case, evidence: Evidence) -> Iterator[Finding]:
    silent = [one for one in evidence.pushes if one not in evidence.reports]
    if silent and not case.ends_at_once:
        yield Finding("unanswered", len(silent), f"nothing was said of them within {case.seconds:g} s")
    wrong = Counter(
        text
        for one, report in evidence.reports.items()
        if (text := _misreported(case, report, evidence.shown.get(one, 0)))
    )
    yield from (Finding("misreported", count, text) for text, count in wrong.items())


def _misreported(case: Case, report: Json, shown: int) -> str:
    if _ok(report):
        return "" if shown else "were called delivered, and never arrived"
    if case.expects == "delivered" and shown:
        return "were called failed, and had arrived"
    if case.expects != "refused":
        return ""
    if report.get("reason") != case.reason:
        return f"APNs said {case.reason}, and the provider {report.get('reason') or report.get('error')}"
    if case.timestamp is not None and report.get("timestamp") != case.timestamp:
        return "the time since when the token is invalid was not handed on"
    return ""


def _asked(case: Case, evidence: Evidence) -> Iterator[Finding]:
    times: dict[str, list[float]] = defaultdict(list)
    for request in evidence.requests:
        times[str((request.payload or {}).get(KEY))].append(request.at)
    often = [one for one, at in times.items() if len(at) > case.most_attempts]
    if often:
        most = max(len(times[one]) for one in often)
        yield Finding(
            "hammered", len(often), f"were sent up to {most} times, where {case.most_attempts} would do"
        )
    brisk = [one for one, at in times.items() if _within_a_second(at) > BRISK]
    if brisk:
        yield Finding("hammered", len(brisk), f"were sent more than {BRISK} times within a second")
    tokens = len(set(_tokens(evidence.requests)))
    if tokens > case.most_tokens:
        yield Finding(
            "hammered",
            tokens - case.most_tokens,
            f"provider tokens too many: {tokens}, and Apple wants one in 20 minutes",
        )
    if evidence.without_alpn and case.is_tidy:
        yield Finding(
            "protocol", evidence.without_alpn, "connections without ALPN h2, by which a server knows HTTP/2"
        )
    if evidence.unfinished and case.is_tidy:
        yield Finding(
            "protocol",
            evidence.unfinished,
            "requests were begun and never ended, and each takes a stream for good",
        )
    if evidence.errors:
        yield Finding("protocol", len(evidence.errors), f"the provider broke HTTP/2: {evidence.errors[0]}")


def _within_a_second(at: Sequence[float]) -> int:
    return max(sum(start <= one < start + 1 for one in at) for start in at)


def _tokens(requests: Iterable[Push]) -> Iterator[str]:
    """Header and claims: two that were signed in the same second count as one."""
    for request in requests:
        text = request.headers.get("authorization")
        if text is not None:
            yield text
