"""The rules of delivery on every clock: one that stands still until it is turned, one that runs and is turned, and the machine's.

A rule that holds only where acceptance and delivery are the same moment is none. What takes time takes three seconds at most, and
is waited for as a condition.
"""

import pytest

from component.control.scene import EXPIRED, SENT, STORED, Scene, accepted

# --- expiration ---------------------------------------------------------------------------------------------------

ONE_ATTEMPT = {
    "0": lambda _: "0",  # Apple, Sending notification requests to APNs: one attempt, nothing is stored
    "long gone": lambda _: "1",  # a time gone by is assumed to mean the same
    "a second ago": lambda scene: scene.now(-1),
    "this second": lambda scene: scene.now(),
}


@pytest.mark.parametrize("expiration", ONE_ATTEMPT)
@pytest.mark.parametrize("kind", ["alert", "background", "voip", "start", "update"])
async def test_one_attempt_reaches_a_phone_that_is_online(scene: Scene, kind: str, expiration: str) -> None:
    scene.start_by_app()
    scene.set(app="background")
    answer = accepted(await scene.push(kind, "one", apns_expiration=ONE_ATTEMPT[expiration](scene)))
    assert scene.outcome(answer) == SENT
    phone = scene.phone
    effects = {
        "alert": lambda: scene.titles == ["one"],
        "background": lambda: phone.background_wakes == 1,
        "voip": lambda: (
            scene.journal.entries("phone", "dropped")[-1].detail["why"] == "the app takes no calls"
        ),
        "start": lambda: len(phone.activities.all) == 2 and scene.text == "one",
        "update": lambda: scene.text == "one",
    }
    assert effects[kind]()


@pytest.mark.parametrize("expiration", ONE_ATTEMPT)
@pytest.mark.parametrize("kind", ["alert", "background", "voip", "start", "update"])
async def test_and_is_lost_for_one_that_is_not(scene: Scene, kind: str, expiration: str) -> None:
    scene.start_by_app()
    scene.set(app="background", online=False)
    answer = accepted(await scene.push(kind, "one", apns_expiration=ONE_ATTEMPT[expiration](scene)))
    assert scene.outcome(answer) == EXPIRED
    scene.set(online=True)
    assert (scene.titles, scene.phone.background_wakes, len(scene.phone.activities.all)) == ([], 0, 1)
    assert scene.text == "x"


@pytest.mark.parametrize("policy", [0, 1])
async def test_a_broadcast_that_is_not_stored_reaches_a_phone_that_is_online(
    scene: Scene, policy: int
) -> None:
    """Policy 0 stores nothing, so that every broadcast there has the expiration 0 (Apple: channel management)."""
    scene.open_channel(policy)
    assert scene.outcome(accepted(await scene.push("broadcast", "one", apns_expiration="0"))) == SENT
    assert scene.text == "one"
    scene.set(online=False)
    assert scene.outcome(accepted(await scene.push("broadcast", "two", apns_expiration="0"))) == EXPIRED
    scene.set(online=True)
    assert scene.text == "one"


async def test_broadcast_policies(scene: Scene) -> None:
    scene.open_channel(0)
    refused = await scene.push("broadcast", apns_expiration=scene.now(60))
    assert refused.fields["reason"] == "BadExpirationDate"
    scene.open_channel(1)
    scene.set(online=False)
    first = accepted(await scene.push("broadcast", "one", apns_expiration=scene.now(60)))
    second = accepted(await scene.push("broadcast", "two", apns_expiration=scene.now(60)))
    assert (scene.outcome(first), scene.outcome(second)) == (("discarded", "replaced"), STORED)
    scene.set(online=True)
    assert scene.text == "two"
    start = {"aps": scene.aps("start", "three")}
    foreign = accepted(await scene.push("broadcast", payload=start, apns_expiration="0"))
    assert scene.outcome(foreign) == ("discarded", "not_for_broadcast")


async def test_what_is_stored_is_given_up_at_its_time(scene: Scene) -> None:
    scene.set(online=False)
    answer = accepted(await scene.push(apns_expiration=scene.now(3)))
    assert scene.outcome(answer) == STORED
    await scene.until(3, lambda: scene.outcome(answer) == EXPIRED)
    scene.set(online=True)
    assert scene.titles == []


# --- stored -------------------------------------------------------------------------------------------------------


async def test_one_push_waits_for_a_phone_and_in_a_queue_all_do(scene: Scene) -> None:
    for mailbox, shown in (("one", ["3"]), ("queue", ["3", "2", "1", "3"])):
        scene.sandbox.profile.set({"mailbox": mailbox})
        scene.set(online=False)
        for text in "123":
            assert (
                scene.outcome(accepted(await scene.push(text=text, apns_expiration=scene.now(60)))) == STORED
            )
        scene.set(online=True)
        assert scene.titles == shown


async def test_a_collapse_id_replaces_what_is_shown_and_in_a_queue_what_waits(scene: Scene) -> None:
    scene.sandbox.profile.set({"mailbox": "queue"})
    for text in "12":
        accepted(await scene.push(text=text, apns_collapse_id="a"))
    assert scene.titles == ["2"]
    scene.set(online=False)
    for text, collapse_id in (("3", "a"), ("4", "b"), ("5", "a")):
        accepted(await scene.push(text=text, apns_collapse_id=collapse_id))
    scene.set(online=True)
    assert scene.titles == ["5", "4"]


async def test_priority_1_waits_for_the_screen(scene: Scene) -> None:
    scene.set(screen="off")
    waits = accepted(await scene.push(text="1", apns_priority="1"))
    at_once = accepted(await scene.push(text="2", apns_priority="1", apns_expiration="0"))
    assert (scene.outcome(waits), scene.outcome(at_once), scene.titles) == (STORED, SENT, ["2"])
    scene.set(screen="on")
    assert scene.titles == ["1", "2"]


async def test_what_a_person_does_not_want_is_discarded(scene: Scene) -> None:
    scene.set(notifications=False)
    answer = accepted(await scene.push(apns_expiration="0"))
    assert scene.outcome(answer) == ("discarded", "notifications_off")
    assert scene.titles == []
