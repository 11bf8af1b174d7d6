"""What a sandbox's user holds: a phone, and the fault rules. Each call runs where the sandbox lives, which may be another thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from simulator.lab.device import Device as LabDevice
from simulator.lab.device import OwnKind
from simulator.lab.errors import NotNow, Unknown
from simulator.lab.lab import Lab
from simulator.lab.sent import Environment
from simulator.phone.activitykit.activity import Activity
from simulator.phone.live_activities import NotPossible

T = TypeVar("T")


class Run(Protocol):
    """Calls a function where the sandbox lives, and gives what it gives."""

    def __call__(self, function: Callable[[], T], /) -> T:
        """The function's result; what it raises is raised here."""
        ...


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification on a lock screen. `at` is UNIX seconds, `payload` the whole push."""

    title: str
    subtitle: str
    body: str
    badge: int | None
    sound: str | None
    thread_id: str | None
    category: str | None
    interruption_level: str
    at: float
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LiveActivity:
    """A Live Activity as it stands. `token` is what updates go to, None if it has none; `state` is active, stale, ended or dismissed."""

    id: str
    attributes_type: str
    attributes: dict[str, Any]
    content_state: dict[str, Any]
    state: str
    token: str | None


class Device:
    """A phone with the app on it, by its name. What is asked of it is what it is like at that moment; after a reset it is as new."""

    def __init__(self, name: str, lab: Lab, run: Run) -> None:
        self.name = name
        self._lab, self._run = lab, run

    def __repr__(self) -> str:
        return f"<Device {self.name!r}>"

    def _ask(self, question: Callable[[LabDevice], T]) -> T:
        return self._run(lambda: question(self._lab.device(self.name)))

    @property
    def bundle_id(self) -> str:
        """Of the app on it, which is the topic of alerts."""
        return self._ask(lambda device: device.spec.bundle_id)

    @property
    def environment(self) -> Environment:
        """Which environment of APNs its tokens belong to."""
        return self._ask(lambda device: device.spec.realm)

    @property
    def token(self) -> str:
        """The app's device token, for alerts and background pushes: lower-case hex."""
        return self.tokens["alert"]

    @property
    def tokens(self) -> dict[str, str]:
        """The app's tokens by kind: alert, voip, push-to-start, and widgets where its iOS has them."""
        return self._ask(lambda device: {str(kind): token for kind, token in device.tokens.items()})

    @property
    def notifications(self) -> tuple[Notification, ...]:
        """What is in the notification centre, the newest first."""
        return self._ask(lambda device: tuple(map(_notification, device.phone.notifications)))

    @property
    def badge(self) -> int:
        """The number on the app's icon."""
        return self._ask(lambda device: device.phone.badge)

    @property
    def activities(self) -> tuple[LiveActivity, ...]:
        """Every Live Activity there ever was on it, oldest first."""
        return self._ask(lambda device: tuple(map(_activity, device.phone.activities.all)))

    def set(self, **changes: Any) -> None:
        """Do to it what a person can do, in this order: `set(online=False)`, `set(notifications=False)`; the keys are those of `PATCH /control/devices/{name}`.

        What waits for a phone that can be reached again arrives. LabError, naming the first that is wrong, and then nothing has changed.
        """
        self._run(lambda: self._lab.change_device(self.name, changes))

    def rotate(self, kind: OwnKind = "alert") -> str:
        """The app gets another token of this kind, which is returned; the old one reaches nobody. LabError if it has none."""
        return self._ask(lambda device: device.rotate(kind))

    def unregister(self, since: float | None = None) -> None:
        """From now on its tokens are answered 410 Unregistered, with `since` (UNIX seconds; default now) as the timestamp."""

        def unregister(device: LabDevice) -> None:
            at = self._lab.clock.now() if since is None else since
            for token in device.tokens.values():
                self._lab.sandbox.registry.unregister(token, at)

        self._ask(unregister)

    def start_activity(
        self, attributes_type: str, attributes: Mapping[str, Any], content_state: Mapping[str, Any]
    ) -> LiveActivity:
        """The app comes to the foreground and starts a Live Activity; its `token` is what updates go to. LabError if it cannot."""

        def start(device: LabDevice) -> LiveActivity:
            self._lab.change_device(self.name, {"app": "foreground"})
            try:
                return _activity(
                    device.phone.activities.start(attributes_type, dict(attributes), dict(content_state))
                )
            except NotPossible as error:
                raise NotNow(str(error)) from None

        return self._ask(start)


def _notification(one: Any) -> Notification:
    return Notification(**{name: getattr(one, name) for name in Notification.__slots__})


def _activity(activity: Activity) -> LiveActivity:
    return LiveActivity(
        activity.id,
        activity.type.name,
        activity.attributes,
        activity.content_state,
        activity.state,
        activity.token,
    )


class Faults:
    """The rules by which pushes fail on purpose; those of `/control/faults`."""

    def __init__(self, lab: Lab, run: Run) -> None:
        self._table, self._run = lab.sandbox.faults, run

    def add(
        self,
        do: Mapping[str, Any],
        *,
        match: Mapping[str, Any] | None = None,
        times: int | None = None,
        accepts_first: bool = False,
        id: str = "",
    ) -> str:
        """Put a rule in force; its id. `add({"answer": {"reason": "TooManyRequests"}}, times=2)`.

        `do` is exactly one action and `match` says which pushes it meets, as the table of fault rules in the docs has them. SandboxError
        names the field that is wrong.
        """
        rule = {"do": dict(do), "accepts_first": accepts_first, "id": id}
        rule |= {} if match is None else {"match": dict(match)}
        rule |= {} if times is None else {"times": times}
        return self.load([rule])[0]

    def load(self, rules: Sequence[Mapping[str, Any]]) -> list[str]:
        """Put a list of rules in force, all or none, as a file of `--faults` has them; their ids."""
        return self._run(lambda: self._table.load(rules))

    def remove(self, id: str) -> None:
        """Take a rule out. LabError if none of this id is in force."""
        if not self._run(lambda: self._table.remove(id)):
            raise Unknown(f"no fault {id!r} is in force")

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._run(self._table.clear)

    def struck(self) -> dict[str, int]:
        """How often each rule in force was applied, by id."""
        return self._run(self._table.struck)
