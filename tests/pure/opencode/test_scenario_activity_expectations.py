"""The judge of cards: what it lets pass, at which speed, and what it catches."""

from dataclasses import replace
from typing import Any

import pytest

from simulator.recording import Recording
from simulator.replay.expectations import SURELY_SHOWN, Audience, evaluate_activities
from simulator.scenario import ExpectedActivity, Phase, Scenario, load, scenarios

PHONE = "iPhone"
RUN = (Phase("working", 0.5), Phase("permission", 4.0), Phase("working", 1.0), Phase("complete"))
LOOKING = Audience((PHONE,))
LETTERS = {"w": "working", "p": "permission", "r": "retry", "c": "complete", "e": "error", "x": "dancing"}


def scenario(*runs: tuple[Phase, ...], session_id: str = "ses_1") -> Scenario:
    return Scenario(
        "made_up",
        "Made up.",
        Recording("made_up", (), ()),
        (),
        activities=(ExpectedActivity(session_id, runs),),
    )


def card(
    letters: str, start: float = 0.0, *, by: str = "", message: str = "m", **more: Any
) -> dict[str, Any]:
    """A card that says these statuses one second after the other, then ends; `by` has a letter for each: p or a."""
    sources = {"p": "push", "a": "app"}
    states = [
        {
            "status": LETTERS[letter],
            "lastMessage": message,
            "at": start + number,
            "by": sources[(by or "p" * 99)[number]],
        }
        for number, letter in enumerate(letters)
    ]
    found = {
        "sessionID": "ses_1", "phone": PHONE, "how": "push-to-start", "states": states, "started": start,
        "ended": start + len(letters), "dismissed": None, "replaced": False,
    }  # fmt: skip
    return found | more


def broken(*cards: dict[str, Any], of: Scenario | None = None, audience: Audience = LOOKING) -> list[str]:
    expectations = evaluate_activities(of or scenario(RUN), cards, audience)
    return [expectation.what for expectation in expectations if not expectation.ok]


@pytest.mark.parametrize("letters", ["wpwc", "wpc", "pc", "pwc", "wwppwwc", "ppc", "wpcc"])
def test_what_was_too_short_may_be_missing(letters: str) -> None:
    assert broken(card(letters)) == []


@pytest.mark.parametrize(
    ("letters", "sentence"),
    [
        ("wc", "the card of ses_1 on iPhone went as recorded, but it was working, then complete"),
        ("wpwpc", "went as recorded"),
        ("pwpc", "went as recorded"),
        ("wpcw", "ended with complete, but it was working"),
        ("wpe", "ended with complete, but it was error"),
        ("xpc", "went as recorded"),
        ("", "ended with complete, but it was nothing"),
    ],
)
def test_what_never_was_shown_or_turned_back_is_found(letters: str, sentence: str) -> None:
    assert any(sentence in what for what in broken(card(letters)))


def test_at_a_higher_speed_less_is_sure() -> None:
    fast = replace(LOOKING, speed=4.0 / SURELY_SHOWN + 0.1)
    assert broken(card("wc"), audience=fast) == []
    assert broken(card("wpw"), audience=fast)


def test_the_words_of_the_end() -> None:
    stopped = scenario((Phase("working"), Phase("complete", None, "Stopped")))
    assert broken(card("wc", message="Stopped"), of=stopped) == []
    assert broken(card("wc", message="Done"), of=stopped) == ["it said 'Stopped', but it was 'Done'"]


def test_one_card_for_each_session_and_phone() -> None:
    assert broken() != []
    assert "there was one card of ses_1 on iPhone at a time, but it was 2" in broken(
        card("wpwc"), card("wpwc", 9.0)
    )
    assert "there was one card of ses_1 on iPhone at a time, but it was 2 at the same time" in broken(
        card("wp"), card("wc", 1.0), of=scenario(RUN, RUN)
    )
    assert "there was a card of no other session, but it was ses_9" in broken(
        card("wpwc"), card("wc", sessionID="ses_9")
    )
    assert any("iPhone 2" in what for what in broken(card("wpwc"), audience=Audience((PHONE, "iPhone 2"))))


def test_a_card_that_still_runs_or_began_wrongly() -> None:
    assert broken(card("wpwc", ended=None)) == ["every card of ses_1 on iPhone ended, but it was 1 running"]
    assert broken(card("wpwc", how="app")) == [
        "every card of ses_1 on iPhone was started by push-to-start, but it was app"
    ]


def test_a_replaced_card_does_not_count_but_must_be_gone() -> None:
    replaced = card("w", 0.5, replaced=True, dismissed=0.5)
    assert broken(card("wpwc"), replaced) == []
    left = {**replaced, "dismissed": None}
    assert broken(card("wpwc"), left) == ["no replaced card of ses_1 on iPhone was left, but it was 1 left"]


def test_two_turns_in_one_card_or_in_two() -> None:
    twice = scenario(RUN, RUN)
    assert broken(card("wpwc"), card("wpwc", 10.0), of=twice) == []
    assert broken(card("wpwwpwc"), of=twice) == []
    assert broken(card("wpwc"), of=twice), "the second turn's long permission was never shown"


def test_what_a_push_says_beside_the_app_in_the_foreground() -> None:
    """A push may come late and say what the app has said before; among themselves pushes must not turn back."""
    foreground = Audience((PHONE,), foreground=True)
    assert broken(card("wpwpwc", by="aappaa", how="app"), audience=foreground) == []
    assert broken(card("wpwppwc", by="aapppaa", how="app"), audience=foreground) == []
    assert broken(card("wppwpwc", by="aappppa", how="app"), audience=foreground) == [
        "no push turned the card of ses_1 on iPhone back, "
        "but it was permission, then working, then permission, then working"
    ]
    assert any(
        "went as recorded" in what for what in broken(card("wwc", by="aaa", how="app"), audience=foreground)
    )


def test_times_must_not_go_back() -> None:
    turned = card("wpwc")
    turned["states"][1]["at"] = 7.0
    assert any("went as recorded" in what for what in broken(turned))


@pytest.mark.parametrize("name", scenarios())
def test_every_scenario_can_be_fulfilled_and_missed(name: str) -> None:
    demanded = load(name)
    letters = {status: letter for letter, status in LETTERS.items()}
    cards = [
        card(
            "".join(letters[phase.status] for phase in run),
            20.0 * number,
            message=run[-1].last_message or "m",
            sessionID=activity.session_id,
        )
        for activity in demanded.activities
        for number, run in enumerate(activity.runs)
    ]
    assert broken(*cards, of=demanded) == []
    assert not cards or broken(of=demanded)
