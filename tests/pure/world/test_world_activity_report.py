"""The cards of a play, from a journal written by hand."""

from typing import Any

from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.phone.app.session_activities import LATE, TAKEN
from simulator.replay.report import activities


class Story:
    """Entries of one phone, in order."""

    def __init__(self) -> None:
        self.journal = Journal(VirtualClock(0.0))

    def report(
        self, at: float, what: str, activity: str = "activity-1", status: str = "", **more: Any
    ) -> None:
        said = {"contentState": {"status": status, "lastMessage": "m"}, "by": "push"} if status else {}
        detail = {"phone": "iPhone", "activity": activity, "sessionID": "ses_1", **said, **more}
        self.journal.record_at(at, "phone", what, **detail)

    def reported(self) -> list[dict[str, Any]]:
        return activities(self.journal.entries("phone"))


def state(status: str, at: float, by: str = "push") -> dict[str, Any]:
    return {"status": status, "lastMessage": "m", "at": at, "by": by}


def test_a_card_from_start_to_dismissal() -> None:
    story = Story()
    story.report(1.0, "started", status="working", why="by the push")
    story.report(1.1, "activity token", token="ab")
    story.report(2.0, "updated", status="working")
    story.report(2.5, "deferred", why="priority 5")
    story.report(3.0, "updated", status="permission", by="app")
    story.report(4.0, "ended", status="complete")
    story.report(9.0, "dismissed", why="its time on the lock screen is over")
    assert story.reported() == [
        {
            "sessionID": "ses_1", "phone": "iPhone", "how": "push-to-start",
            "states": [state("working", 1.0), state("permission", 3.0, "app"), state("complete", 4.0)],
            "started": 1.0, "ended": 4.0, "dismissed": 9.0, "replaced": False,
        }
    ]  # fmt: skip


def test_cards_of_two_phones_have_the_same_ids() -> None:
    story = Story()
    story.report(1.0, "started", status="working")
    story.report(1.0, "started", status="working", phone="iPhone 2", by="app")
    story.report(2.0, "ended", status="error", phone="iPhone 2")
    first, second = story.reported()
    assert (first["phone"], first["how"], first["ended"]) == ("iPhone", "push-to-start", None)
    assert (second["phone"], second["how"], second["ended"]) == ("iPhone 2", "app", 2.0)


def test_what_the_app_took_away() -> None:
    story = Story()
    for number, why in enumerate((TAKEN, LATE, "8 hours are over")):
        story.report(1.0, "started", f"a{number}", "working")
        story.report(2.0, "ended", f"a{number}", "working", why=why)
    assert [card["replaced"] for card in story.reported()] == [True, True, False]
