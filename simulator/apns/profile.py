"""What Apple does not publish, or has changed over time: the adjustable behaviour of the sandbox, each with its source."""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Final, Literal, NamedTuple

import msgspec

from simulator.apns.errors import BadProfile
from simulator.apns.reasons import APPLE, TOKENS, Confidence

SENDING: Final = "Apple: Sending notification requests to APNs"


class Rate(NamedTuple):
    """A token bucket: `burst` pushes at once, then `per_second`."""

    burst: int
    per_second: float


IdleBehavior = Literal["goaway", "silent"]
Storage = Literal["one", "queue"]
EnvironmentReason = Literal["BadEnvironmentKeyInToken", "BadEnvironmentKeyIdInToken"]


def _knob(default: Any, meaning: str, source: str, confidence: Confidence) -> Any:
    return field(default=default, metadata={"meaning": meaning, "source": source, "confidence": confidence})


# fmt: off
# ruff: noqa: RUF009 - a knob is a dataclasses.field, made anew by each call
@dataclass(slots=True)
class Profile:
    """May be changed while the sandbox runs, which counts from the next request or connection on. Times in seconds.

    Every field carries its meaning, its source and how sure it is as metadata (`explain`). As it stands it is the profile
    "observed".
    """

    first_stream_limit: int = _knob(1, "streams at once until a request with a valid provider token", SENDING, "documented")
    stream_limit: int = _knob(1000, "streams at once after it", "GitHub jchambers/pushy issue 878", "observed")
    certificate_stream_limit: int = _knob(1000, "streams at once, from the start, with a client certificate", "GitHub jchambers/pushy issue 878", "observed")
    provider_token_age: float = _knob(3600.0, "age at which a provider token has expired", TOKENS, "documented")
    der_signatures: bool = _knob(True, "provider tokens signed in DER are taken, beside r||s", "Apple: Sending push notifications using command-line tools; GitHub jchambers/pushy", "observed")
    iat_texts: bool = _knob(True, "iat may be digits in a string, beside a number", "GitHub swift-server-community/APNSwift PR 246", "observed")
    clock_skew: float = _knob(300.0, "how far iat may lie in the future", "none", "assumed")
    provider_tokens: int = _knob(3, "distinct provider tokens on a connection within the window; the next one is too many", "Apple developer forum thread 770438", "observed")
    provider_token_window: float = _knob(1200.0, "that window", TOKENS, "documented")
    environment_reason: EnvironmentReason = _knob("BadEnvironmentKeyInToken", "spelling of the reason for a key of the other environment", "GitHub swift-server-community/APNSwift PR 229", "observed")
    suffix_must_fit: bool = _knob(False, "a push type beside a topic of another type is 400 TopicDisallowed instead of 200", "none", "assumed")
    wedge_after_expired: bool = _knob(False, "after ExpiredProviderToken a connection answers nothing else any more", "GitHub jchambers/pushy PR 783", "observed")
    device_rate: Rate | None = _knob(Rate(60, 1.0), "pushes per device token; null = no limit", APPLE, "assumed")
    mailbox: Storage = _knob("one", "for a device that is offline: one push for each app on it, usually the newest, or a queue. Apple says both", "Apple: Sending notification requests to APNs; Apple: User Notifications updates (June 2024)", "documented")
    unregister_after_s: float = _knob(28800.0, "from the removal of an app to 410 Unregistered; Apple is vague on purpose", APPLE, "assumed")
    token_grace_s: float = _knob(0.0, "how long an activity's token is still answered 200 after its end or rotation", "none", "assumed")
    broadcast_capability: bool = _knob(True, "apps may use broadcast channels", "Apple: Setting up broadcast push notifications", "documented")
    errors_before_close: int | None = _knob(100, "4xx answers in a row, 410 not counted, that end a connection; null = never", APPLE, "assumed")
    error_delay_s: float = _knob(0.0, "what each 4xx in a row adds to the time of the next answers, 410 not counted", APPLE, "assumed")
    error_delay_limit_s: float = _knob(2.0, "the most that errors in a row add", "none", "assumed")
    idle_after_s: float | None = _knob(None, "without a request for so long, a connection is idle; null = never", "none", "assumed")
    idle: IdleBehavior = _knob("goaway", "what happens to an idle connection: GOAWAY IdleTimeout, or silence without FIN", "GitHub golang/go issue 14607", "observed")
    goaway_grace_s: float = _knob(1.0, "how long a connection that was called idle still takes a request, to answer 400 IdleTimeout", "none", "assumed")

    @classmethod
    def named(cls, name: str) -> "Profile":
        """A new profile of that name. BadProfile for an unknown one."""
        profile = cls()
        profile.become(name)
        return profile

    def become(self, name: str) -> None:
        """Take on all values of a named profile. BadProfile for an unknown name; then nothing has changed."""
        if name not in PROFILES:
            raise BadProfile(f"there is no profile {name!r}: it is one of {', '.join(PROFILES)}")
        for each in fields(self):
            setattr(self, each.name, PROFILES[name].get(each.name, each.default))

    def set(self, values: Mapping[str, Any]) -> None:
        """Change fields by name, from JSON values. BadProfile names the first that is wrong; then nothing has changed."""
        for name, value in {name: _decoded(name, value) for name, value in values.items()}.items():
            setattr(self, name, value)

    def dump(self) -> dict[str, Any]:
        """All fields as JSON values, as `set` takes them."""
        return {name: value._asdict() if isinstance(value, Rate) else value for name, value in self._items()}

    def _items(self) -> list[tuple[str, Any]]:
        return [(each.name, getattr(self, each.name)) for each in fields(self)]


PROFILES: Final[dict[str, dict[str, Any]]] = {
    # Apple's pages taken at their word. They name no number for TooManyRequests: this one is assumed.
    "documented": {"environment_reason": "BadEnvironmentKeyIdInToken", "provider_tokens": 1},
    "observed": {},
    # The hardest values for a provider: one that passes here does nothing that Apple could punish.
    "strict": {
        "der_signatures": False, "iat_texts": False, "provider_tokens": 1, "clock_skew": 0.0, "suffix_must_fit": True, "wedge_after_expired": True, "device_rate": Rate(10, 1.0),
        "errors_before_close": 20, "error_delay_s": 0.01, "idle_after_s": 3600.0, "idle": "silent",
    },
}
# fmt: on


class Knob(NamedTuple):
    """A field of the profile explained; `default` as a JSON value."""

    name: str
    default: Any
    meaning: str
    source: str
    confidence: Confidence


def explain() -> list[Knob]:
    """Every field, for a page or a command that lists them."""
    values = Profile().dump()
    return [Knob(each.name, values[each.name], **each.metadata) for each in fields(Profile)]


_FIELDS: Final[dict[str, Field[Any]]] = {each.name: each for each in fields(Profile)}


def _decoded(name: str, value: Any) -> Any:
    if name not in _FIELDS:
        raise BadProfile(f"the profile has no field {name!r}: it has {', '.join(_FIELDS)}")
    if isinstance(value, Mapping):  # a Rate, as an object
        value = _rate_values(name, value)
    try:
        decoded = msgspec.convert(value, _FIELDS[name].type)
    except msgspec.ValidationError as error:
        raise BadProfile(f"profile field {name}: {error}") from None
    return _plausible(name, decoded)


def _rate_values(name: str, value: Mapping[str, Any]) -> list[Any]:
    if set(value) != set(Rate._fields):
        raise BadProfile(f"profile field {name}: an object with {' and '.join(Rate._fields)} is wanted")
    return [value[each] for each in Rate._fields]


def _plausible(name: str, value: Any) -> Any:
    numbers = value if isinstance(value, Rate) else (value,)
    if any(isinstance(number, int | float) and not 0 <= number < float("inf") for number in numbers):
        raise BadProfile(f"profile field {name}: {value!r} is not a count or a time")
    return value
