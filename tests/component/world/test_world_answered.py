"""The bridge as a person starts it, without the options of the replays: what is left on the phone of a short run."""

from simulator.replay.world import ReplayWorld, WorldOptions
from simulator.scenario import load
from waiting import eventually

FOR_RECORDINGS = ("--card-after=0", "--bundle=0", "--keep-answered")


class PlainWorld(ReplayWorld):
    """A world whose bridge has its own defaults."""

    def _bridge_arguments(self) -> list[str]:
        return [one for one in super()._bridge_arguments() if one not in FOR_RECORDINGS]


async def test_an_answered_request_is_replaced_on_the_phone_without_a_sound() -> None:
    """Apple: apns-collapse-id, and a passive notification makes no sound (documented)."""
    async with PlainWorld(WorldOptions(live_activities=True)) as world:
        await world.play(load("b_permission_once"), speed=20)
        (phone,) = world.phones
        await eventually(lambda: len(phone.notifications) == 2 and phone.notifications[0].sound)
        complete, answered = phone.notifications
        assert answered.body == "Answered: bash: echo hello; sleep 1; echo world"
        assert (answered.sound, answered.interruption_level, answered.category) == (
            None,
            "passive",
            "progress",
        )
        assert complete.payload["eventType"] == "complete"
        shown = [(one["eventType"], one["replaced"]) for one in phone.showings]
        assert shown == [("permission", False), ("progress", True), ("complete", False)]
