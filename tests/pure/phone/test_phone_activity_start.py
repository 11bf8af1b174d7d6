"""Starting a Live Activity: by push, and what speaks against it."""

from typing import Any

import pytest

from phone_pushes import FLAT, T0, Kit, aps, expo, push, whats
from simulator.phone.activitykit.refusals import AGAINST_START, LARGEST, NO_ALERT, size
from simulator.phone.profile import version
from simulator.phone.push import ActivityMessage


def test_a_start() -> None:
    kit = Kit()
    sent = push("start", T0 - 5, stale_date=T0 + 60, relevance_score=3)
    (happened,) = kit.start(sent)
    activity = kit.newest
    assert (happened.what, happened.activity, happened.push, happened.log) == ("started", activity, sent, "")
    assert (activity.id, activity.state, activity.visible, activity.running) == (
        "activity-1",
        "active",
        True,
        True,
    )
    assert (activity.started_at, activity.timestamp, activity.started_by) == (T0, T0 - 5, "push")
    assert (activity.attributes, activity.content_state) == ({}, expo("start"))
    assert (activity.stale_date, activity.relevance_score) == (T0 + 60, 3)
    assert (activity.wants_token, activity.token, activity.update_token_known) == (True, None, False)
    assert activity.alerts == [T0]
    assert activity.drawn == activity.content_state


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"live_activities": False}, "Live Activities are off"),
    ({}, {"ios": (17, 1)}, "before iOS 17.2 nothing starts by push"),
    ({"event": "update"}, {}, "it came to the push-to-start token and is no start"),
    ({"event": "end"}, {}, "it came to the push-to-start token and is no start"),
    ({"event": "Start"}, {}, "it came to the push-to-start token and is no start"),
    ({"without": ("alert",)}, {}, "it has no alert"),
    ({"alert": {}}, {}, "it has no alert"),
    ({"without": ("timestamp",)}, {}, "it has no timestamp"),
    ({"timestamp": "soon"}, {}, "it has no timestamp"),
    ({"without": ("attributes-type",)}, {}, "it has no attributes-type"),
    ({"attributes_type": "liveActivityAttributes"}, {}, "the app has no such attributes-type"),
    ({"without": ("attributes",)}, {}, "its attributes cannot be decoded"),
    ({"attributes": {"url": 5}}, {}, "its attributes cannot be decoded"),
    ({"without": ("content-state",)}, {}, "its content-state cannot be decoded"),
    ({"content_state": {"name": "Run", "props": {"phase": "x"}}}, {}, "its content-state cannot be decoded"),
    ({"content_state": FLAT}, {}, "its content-state cannot be decoded"),
    ({"input_push_channel": "c"}, {"ios": (17, 6)}, "before iOS 18 there is no input-push-channel"),
    (
        {"content_state": {"name": "Run", "props": "x" * LARGEST}},
        {},
        "attributes and content-state are over 4 KB",
    ),
]


@pytest.mark.parametrize(("change", "phone", "why"), REFUSED)
def test_what_does_not_start(change: dict[str, Any], phone: dict[str, Any], why: str) -> None:
    kit = Kit(**phone)
    sent = push("start", without=change.get("without", ()))
    sent.payload["aps"].update({k.replace("_", "-"): v for k, v in change.items() if k != "without"})
    (happened,) = kit.start(sent)
    assert (happened.what, happened.why, happened.push) == ("dropped", why, sent)
    assert happened.log == (NO_ALERT if why == "it has no alert" else "")
    assert kit.activities.all == []


def test_every_reason_against_a_pushed_start_is_tested() -> None:
    tested = {why for _, _, why in REFUSED} | {"too many activities are running"}
    assert tested == {why for why, _, _ in AGAINST_START["push"]}


def test_too_many_at_once() -> None:
    kit = Kit()
    kit.profile.set("max_activities", 2)
    for _ in range(2):
        kit.start()
    assert kit.start()[0].why == "too many activities are running"
    kit.activities.all[0].end(kit.now)
    assert whats(kit.start()) == ["started"]


# Tokens and channels.


@pytest.mark.parametrize(
    ("ios", "inputs", "wants_token", "log"),
    [
        ((26, 0), {"input_push_token": 1}, True, ""),
        ((26, 0), {"input_push_token": 0}, False, "inputs: []"),
        ((18, 0), {"input_push_token": None}, False, "inputs: []"),
        ((17, 6), {"input_push_token": None}, True, ""),
        ((26, 0), {"input_push_token": 0, "input_push_channel": "c"}, False, ""),
    ],
)
def test_who_gets_an_update_token(ios: Any, inputs: dict[str, Any], wants_token: bool, log: str) -> None:
    kit = Kit(ios=ios)
    (happened,) = kit.start(push("start", **inputs))
    assert (happened.what, happened.log) == ("started", log)
    assert kit.newest.wants_token is wants_token
    assert kit.newest.channel == inputs.get("input_push_channel")


# The budget.


@pytest.mark.parametrize("without", [(), ("alert",)], ids=["good", "refused"])
def test_the_start_that_is_one_too_many(without: tuple[str, ...]) -> None:
    kit = Kit()
    kit.profile.set("max_activities", 99)
    kit.start(push("update"))  # what is no start is not counted
    for _ in range(10):
        assert whats(kit.start(push("start", without=without))) == ["dropped" if without else "started"]
    assert kit.activities.remaining("start", kit.phone) == 0
    (happened,) = kit.start()
    assert (happened.what, happened.why) == ("dropped", "the push-to-start budget is used up")
    assert happened.log == (
        "Push-to-start budget exceeded for com.anomalyco.mobilevoice::pushToStart; not starting activity"
    )
    assert kit.activities.remaining("start", kit.phone) == -1


# By the app.


def asked(**change: Any) -> ActivityMessage:
    keys = aps("start", T0)
    return ActivityMessage(
        "start",
        T0,
        **{
            "raw_content_state": keys["content-state"],
            "raw_attributes": {},
            "attributes_type": "LiveActivityAttributes",
            "input_push_token": True,
            **change,
        },
    )


def test_the_app_needs_no_alert_and_no_budget() -> None:
    kit = Kit(foreground=True)
    for _ in range(3):
        (happened,) = kit.activities.start(asked(), kit.phone, kit.now, "app")
        assert (happened.what, happened.why, happened.push) == ("started", "by the app", None)
    assert (kit.newest.started_by, kit.newest.alerts) == ("app", [])
    assert kit.activities.remaining("start", kit.phone) == 10


@pytest.mark.parametrize(
    ("change", "phone", "why"),
    [
        ({}, {"foreground": False}, "the app is not in the foreground"),
        ({}, {"ios": (16, 0)}, "before iOS 16.1 there are no Live Activities"),
        ({}, {"live_activities": False}, "Live Activities are off"),
        ({"attributes_type": "Other"}, {}, "the app has no such attributes-type"),
        ({"raw_content_state": {}}, {}, "its content-state cannot be decoded"),
        ({"input_push_channel": "c"}, {"ios": (17, 6)}, "before iOS 18 there is no input-push-channel"),
    ],
)
def test_what_the_app_cannot_start(change: dict[str, Any], phone: dict[str, Any], why: str) -> None:
    kit = Kit(**{"foreground": True, **phone})
    (happened,) = kit.activities.start(asked(**change), kit.phone, kit.now, "app")
    assert (happened.what, happened.why) == ("dropped", why)


# Sizes and versions.


@pytest.mark.parametrize(
    ("objects", "expected"),
    [(({},), 2), (({"a": 1}, {}), 9), (({"a": "ü"},), 10), (({"a": "\ud800"},), 11), ((None, {}), 2)],
)
def test_sizes(objects: Any, expected: int) -> None:
    assert size(*objects) == expected


def test_a_state_of_exactly_4_kb_starts() -> None:
    kit = Kit()
    props = "x" * (LARGEST - size({"name": "Run", "props": ""}) - size({}))
    kit.start(push("start", content_state={"name": "Run", "props": props}))
    assert kit.newest.content_state["props"] == props
    assert kit.start(push("start", content_state={"name": "Run", "props": props + "x"}))[0].what == "dropped"


@pytest.mark.parametrize(
    ("refill", "seconds", "remaining", "resets"),
    [
        ("window", 3_599, -2, []),
        ("window", 3_600, 10, [("budget reset", T0 + 3_600, "push-to-start")]),
        ("bucket", 3 * 360 - 1, 0, []),
        ("bucket", 3 * 360, 1, []),
    ],
)
def test_how_the_budget_comes_back(refill: str, seconds: float, remaining: int, resets: list[Any]) -> None:
    kit = Kit()
    kit.profile.set("refill", refill)
    for _ in range(12):
        kit.start(push("start", without=("alert",)))
    assert [(one.what, one.at, one.why) for one in kit.pass_time(seconds)] == resets
    assert kit.activities.remaining("start", kit.phone) == remaining
    assert whats(kit.start()) == (["started"] if remaining > 0 else ["dropped"])


@pytest.mark.parametrize(
    ("text", "parts"),
    [("26.0", (26, 0)), ("17.2.1", (17, 2, 1)), ("18", (18,)), *((no, None) for no in ("", "iOS 18", "18."))],
)
def test_versions(text: str, parts: tuple[int, ...] | None) -> None:
    if parts is not None:
        assert version(text) == parts
        return
    with pytest.raises(ValueError, match="is no iOS version"):
        version(text)
