"""What the relay counts, and the series in which Prometheus reads it: names, units, help texts and label values. Pure.

The hot path adds to plain numbers (one event loop, so no locks); series are made of them only when somebody reads. Names follow
"Metric and label naming" of Prometheus' documentation. No label has a value that a client chooses.
"""

import platform
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder

from relay import __version__
from relay.apns.push import Outcome
from relay.apns.reasons import REASONS
from relay.contract import EVENT_KINDS
from relay.server.delivery import DeliveryResult
from relay.server.limits import WORDS, Limit

ALERT: Final = "alert"
PUSH_TYPES: Final = (ALERT, "liveactivity")
OTHER: Final = "other"
"""The label value of what no table names."""
MOST_COUNTED: Final = 1_000_000
"""Rows that a gauge counts at most, so that a scrape costs a large database little."""
HOUR_MS: Final = 3_600_000


class Series(NamedTuple):
    """One series: what it is, its help text, its labels."""

    kind: Literal["counter", "gauge", "histogram", "info"]
    about: str
    labels: tuple[str, ...] = ()


SERIES: Final[dict[str, Series]] = {
    "relay_events_total": Series("counter", "Events that the relay accepted, repeated ones included.", ("type",)),
    "relay_pushes_total": Series("counter", "Attempts to push that ended: the delivery's status after it, and APNs' reason (none: 200; not_sent, maybe_sent: no answer).", ("push_type", "status", "reason")),
    "relay_push_duration_seconds": Series("histogram", "From the beginning of an attempt to APNs' answer, or to the deadline without one."),
    "relay_event_to_apns_seconds": Series("histogram", "From an event to APNs' 200 for each of its alerts, failed attempts before included."),
    "relay_queue_length": Series("gauge", "Alerts that wait for APNs to take them, and Live Activities whose newest state was not pushed yet.", ("push_type",)),
    "relay_queue_oldest_seconds": Series("gauge", "Age of the oldest that waits: of alerts since the event, of Live Activities since its state was due.", ("push_type",)),
    "relay_phones": Series("gauge", f"Registered phones, up to {MOST_COUNTED}."),
    "relay_live_activities": Series("gauge", "Live Activities that are being started or are on a phone."),
    "relay_apns_key_paused": Series("gauge", "1 while APNs refuses the key, for one app or for all; 0 when it takes pushes.", ("apns_env",)),
    "relay_apns_connections": Series("gauge", "Open connections to APNs.", ("apns_env",)),
    "relay_requests_refused_total": Series("counter", "Requests that were refused, by the code in the reply.", ("code",)),
    "relay_limits_hit_total": Series("counter", "Requests and connections that were refused because a limit was reached, by the limit.", ("limit",)),
    "relay_database_errors_total": Series("counter", "Statements that the database did not answer (unavailable) or did not take (refused).", ("kind",)),
    "relay_build_info": Series("info", "The version of the relay and of Python.", ("version", "python")),
}  # fmt: skip

PUSH_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
EVENT_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)  # fmt: skip
CODES: Final = (
    *("body_too_large", "database_unavailable", "internal_error", "invalid_body", "method_not_allowed"),
    *("not_found", "not_stored", "request_timeout", "secret_replaced", "secret_unknown"),
    *dict.fromkeys(words.code for words in WORDS.values()),
)
"""What a refused request's reply can say; statuses that the web framework adds (`http_414`) are `other`."""

Values = Mapping[tuple[str, ...], float]
"""By label values, in the order of the series' labels."""
Gauges = Mapping[str, Values]
"""By the name of the series. One that could not be read is not there."""


class Histogram:
    """How many values were at most as large as each bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """One value more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """The upper bound as text, and how many values lie at or below it."""
        total, found = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Recorder:
    """The relay's numbers since it started. What is known beforehand begins at 0, so that the first of a kind is seen as an increase."""

    def __init__(self) -> None:
        self.events: dict[str, int] = dict.fromkeys(EVENT_KINDS, 0)
        self.pushes: Counter[tuple[str, str, str]] = Counter({(one, "sent", "none"): 0 for one in PUSH_TYPES})
        self.hours: Counter[tuple[int, str, str, str]] = Counter()
        """The same by the hour in which they ended (its beginning, UTC ms), until they were written down (`hours.py`)."""
        self.push_seconds, self.event_seconds = Histogram(PUSH_SECONDS), Histogram(EVENT_SECONDS)
        self.refused = dict.fromkeys((*CODES, OTHER), 0)
        self.limits_hit: dict[str, int] = dict.fromkeys(get_args(Limit), 0)
        self.database_errors = {"unavailable": 0, "refused": 0}
        self.on_push: list[Callable[[DeliveryResult], None]] = []
        """Called with each attempt that ended, too: the traces' (`tracing.py`)."""

    def event(self, event_type: str) -> None:
        """An event was accepted."""
        self.events[event_type] += 1

    def push(self, result: DeliveryResult) -> None:
        """An attempt has ended."""
        delivery, outcome = result.delivery, result.outcome
        push_type = delivery.push.push_type
        labels = (push_type, result.status, reason_of(outcome))
        self.pushes[labels] += 1
        self.hours[result.at // HOUR_MS * HOUR_MS, *labels] += 1
        if outcome.transmission != "not_sent":  # nobody was asked
            self.push_seconds.observe(result.latency_ms / 1000)
        if result.status == "sent" and push_type == ALERT:
            self.event_seconds.observe(max(0, result.at - delivery.created_at) / 1000)
        for also in self.on_push:
            also(result)

    def request_refused(self, code: str) -> None:
        """A request was refused with this code."""
        self.refused[code if code in CODES else OTHER] += 1

    def limit_hit(self, limit: Limit) -> None:
        """Something was refused because this limit was reached."""
        self.limits_hit[limit] += 1

    def database_error(self, kind: Literal["unavailable", "refused"]) -> None:
        """The database failed, or refused a value."""
        self.database_errors[kind] += 1

    def values(self) -> dict[str, Values]:
        """The counters by the name of their series."""
        return {
            "relay_events_total": _by_one(self.events),
            "relay_pushes_total": {labels: float(number) for labels, number in self.pushes.items()},
            "relay_requests_refused_total": _by_one(self.refused),
            "relay_limits_hit_total": _by_one(self.limits_hit),
            "relay_database_errors_total": _by_one(self.database_errors),
        }

    def histograms(self) -> dict[str, Histogram]:
        """The histograms by the name of their series."""
        return {
            "relay_push_duration_seconds": self.push_seconds,
            "relay_event_to_apns_seconds": self.event_seconds,
        }


def reason_of(outcome: Outcome) -> str:
    """A label value for the reason: Apple's if it is in the table, so that APNs cannot add series without end."""
    if outcome.transmission != "answered":
        return outcome.transmission
    if outcome.status == 200:
        return "none"
    return outcome.reason if outcome.reason in REASONS else OTHER


def _by_one(numbers: Mapping[str, int]) -> Values:
    return {(label,): float(number) for label, number in numbers.items()}


def collected(recorder: Recorder, gauges: Gauges) -> Iterator[Metric]:
    """Every series, in the order of the table; a gauge that could not be read is left out."""
    values, histograms = recorder.values() | dict(gauges), recorder.histograms()
    for name, (kind, about, labels) in SERIES.items():
        if kind == "info":
            versions = {"version": __version__, "python": platform.python_version()}
            yield InfoMetricFamily(name.removesuffix("_info"), about, value=versions)
        elif kind == "histogram":
            histogram = histograms[name]
            yield HistogramMetricFamily(name, about, buckets=histogram.buckets(), sum_value=histogram.sum)
        elif name in values:
            metric = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(
                name, about, labels=labels
            )
            for label_values, value in values[name].items():
                metric.add_metric(label_values, value)
            yield metric


class _Collected:
    """Series as the library's encoders want them."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = list(found)

    def collect(self) -> Iterable[Metric]:
        return self._found


def exposition(found: Iterable[Metric], accept: str) -> tuple[bytes, str]:
    """The series in the format that the reader asks for, plain text or OpenMetrics; and its content type."""
    encode, content_type = choose_encoder(accept)
    return encode(_Collected(found)), content_type
