"""Pushes arriving at a phone: what it shows, what it drops, what a tap does."""

import asyncio

import pytest

SERVER_ID = "0123456789abcdef"


def test_a_showing_holds_what_the_app_reads(phone, alert, link, clock) -> None:
    phone.app.scan(link)
    phone.receive(alert("permission", "ses_7"))
    assert phone.showings == [
        {
            "title": "Fix it",
            "body": "All done.",
            "eventType": "permission",
            "sessionID": "ses_7",
            "at": clock.now(),
            "replaced": False,
            "serverID": SERVER_ID,
            "knownServer": True,
        }
    ]


def test_the_journal_says_what_was_shown(phone, alert, journal) -> None:
    push = alert()
    phone.receive(push)
    (entry,) = journal.entries("phone")
    assert entry.what == "shown"
    assert entry.detail == {
        "phone": "Ada's iPhone",
        "apnsID": push.apns_id,
        "title": "Fix it",
        "body": "All done.",
        "eventType": "complete",
        "sessionID": "ses_1",
        "serverID": SERVER_ID,
        "knownServer": False,
        "rootAgrees": True,
    }


def test_a_repeated_collapse_id_is_shown_again_in_place(phone, alert, journal) -> None:
    phone.receive(alert(collapse_id="a"))
    phone.receive(alert(session_id="ses_2"))
    phone.receive(alert(title="Newer", collapse_id="a"))
    assert [held.title for held in phone.screen.notifications] == ["Fix it", "Newer"]
    assert [(showing["title"], showing["replaced"]) for showing in phone.showings] == [
        ("Fix it", False),
        ("Fix it", False),
        ("Newer", True),
    ]
    assert [entry.what for entry in journal.entries("phone")] == ["shown", "shown", "replaced"]


def test_what_cannot_be_shown_is_in_the_journal(phone, alert, journal) -> None:
    push = alert(topic="com.example.other")
    phone.receive(push)
    assert (phone.screen.notifications, phone.showings) == ((), [])
    (entry,) = journal.entries("phone")
    dropped = {"phone": "Ada's iPhone", "apnsID": push.apns_id, "why": "no app has this topic"}
    assert (entry.what, entry.detail) == ("dropped", dropped)


@pytest.mark.parametrize("broken", [None, object(), "push"])
def test_receiving_never_raises(phone, journal, broken) -> None:
    phone.receive(broken)
    (entry,) = journal.entries("phone")
    assert entry.detail["why"].startswith("it cannot be read: AttributeError")


def test_a_tap_opens_the_session(phone, alert, journal) -> None:
    phone.receive(alert("permission", "ses_7"))
    (notification,) = phone.screen.notifications
    assert phone.tap(notification) == "mobilevoice://session/ses_7"
    assert phone.app.opened == ["mobilevoice://session/ses_7"]
    assert phone.screen.notifications == ()
    assert journal.entries("phone", "tapped")[0].detail["url"] == "mobilevoice://session/ses_7"
    with pytest.raises(ValueError):
        phone.tap(notification)


def test_a_tap_opens_nothing_if_the_fields_are_only_at_the_root(phone, alert) -> None:
    """expo/expo#10462: the fault of the first relay."""
    push = alert()
    phone.receive(alert(payload={key: value for key, value in push.payload.items() if key != "body"}))
    (notification,) = phone.screen.notifications
    assert phone.showings[0]["eventType"] is None
    assert phone.tap(notification) is None
    assert phone.app.opened == []


async def test_waiting_for_what_will_be_shown(phone, alert) -> None:
    waiting = [
        asyncio.create_task(phone.shown(2)),
        asyncio.create_task(phone.shown(where=lambda showing: showing["sessionID"] == "ses_2")),
    ]
    for session_id in ("ses_1", "ses_2"):
        await asyncio.sleep(0)
        phone.receive(alert(session_id=session_id))
    both, second = await asyncio.gather(*waiting)
    assert [showing["sessionID"] for showing in both] == ["ses_1", "ses_2"]
    assert [showing["sessionID"] for showing in second] == ["ses_2"]


async def test_waiting_in_vain(phone, alert) -> None:
    phone.receive(alert(title="Something else"))
    with pytest.raises(
        TimeoutError, match=r"Ada's iPhone did not show 2 such alerts, but \['Something else'\]"
    ):
        await phone.shown(2, within=0.01)
