"""Scenarios are played in the words of people; recordings stay as they are."""

import json
import re
from dataclasses import replace

import pytest

from simulator.scenario import in_words, load, scenarios
from simulator.words import SCRIPT, Wording, Words

SCRIPTED = re.compile(r"\b(?:word|child|parent|one|two|second|third|launched)\d+\b|Title0|Lorem|@@\[")


@pytest.mark.parametrize("name", [*scenarios(1), *scenarios(2)])
def test_no_word_of_a_script_is_left_and_the_recording_is_untouched(name: str) -> None:
    raw = load(name)
    said = in_words(raw)
    assert raw.recording == load(name).recording
    assert not SCRIPTED.search(json.dumps([line.event for line in said.recording.events]))
    assert not SCRIPTED.search(json.dumps([[one.body, one.response] for one in said.recording.actions]))
    assert [line.t for line in said.recording.events] == [line.t for line in raw.recording.events]
    titles = [alert.title for alert in said.alerts]
    assert all(title is None or " " in title for title in titles), titles
    assert set(titles).isdisjoint({alert.title for alert in raw.alerts} - {None})


def test_an_answer_that_streams_says_the_same_as_the_whole() -> None:
    said = in_words(load("a_text")).recording
    pieces = [
        line.event["payload"]["properties"]["delta"]
        for line in said.events
        if line.event["payload"]["type"] == "message.part.delta"
    ]
    whole = [
        part["text"]
        for line in said.events
        if (
            part := line.event["payload"]["properties"].get("part")
            if line.event["payload"]["type"] == "message.part.updated"
            else None
        )
        and part["type"] == "text"
    ]
    assert "".join(pieces) == whole[-1]
    assert whole[-1].startswith("The login failed because ")
    assert whole[-1].rstrip().endswith(".")


def test_titles_are_those_of_sessions_only() -> None:
    wording = Wording(Words(titles={"edit": "Write it"}), [])
    tool = {"state": {"title": "edit"}, "tool": "edit"}
    info = {"id": "ses_1", "title": "edit"}
    assert wording.put({"info": info, "part": tool}) == {"info": info | {"title": "Write it"}, "part": tool}
    assert wording.put({"sessionID": "ses_1", "title": "edit"})["title"] == "Write it"
    assert wording.title("other") == "other"


def test_an_answer_has_as_many_words_as_the_script_and_prompts_are_said_by_people() -> None:
    for count in (1, 2, 3, 4, 5, 7, 8, 10, 20, 40, 200):
        texts = [f"word{number} " for number in range(count)]
        said = [Wording(Words(), texts).put(text).strip() for text in texts]
        assert len([word for word in said if word]) == count
        assert count == 200 or said[-1].endswith(".")
    wording = Wording(Words(strings={"echo x": "git push"}), ["x"])
    assert wording.put([f"Say it. {SCRIPT}1]", "echo x", "echo x; y", 7, None]) == ["Please fix it, and run the tests.", "git push", "echo x; y", 7, None]  # fmt: skip
    unworded = replace(load("a_text"), words=Words())
    assert in_words(unworded).alerts[0].title == unworded.alerts[0].title
