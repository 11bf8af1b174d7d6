"""What is about to happen, in a person's words: every kind of permission and of form of both generations.

Kinds: PermissionConfig of OpenCode 1.18.33's own API document, and the actions that the second generation documents. Shapes: the
recordings of both. MCP tools ask with "*" and nothing else: anomalyco/opencode#19549, #12111.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.notify.text import MAX_CARD
from relay.bridge.sources.opencode2.wording import form_questions
from relay.bridge.sources.wording import (
    MAX_QUESTIONS,
    SENTENCES,
    SPECIAL,
    Permission,
    Question,
    card_question,
    permission_words,
    question_words,
)

CONFIGURED = "read edit glob grep list bash task external_directory todowrite question webfetch websearch lsp doom_loop skill"
SECOND_GENERATION = "read write edit patch glob grep shell webfetch websearch question skill subagent execute external_directory"

PATCH = {
    "file": "/code/demo/notes.txt",
    "patch": "@@ -1,1 +1,1 @@",
    "status": "modified",
    "additions": 1,
    "deletions": 1,
}


def asked(action: str, *resources: str, metadata: Any = None, **arguments: Any) -> str:
    return permission_words(Permission(action, resources, metadata or {}, arguments, "/code/demo"))


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        # Generation 1, as recorded or as its source writes it.
        (asked("bash", "npm *", metadata={"command": "npm test"}), "bash: npm test"),
        (asked("edit", "a.py", metadata={"filepath": "/code/demo/src/a.py", "diff": "@@"}), "edit: src/a.py"),
        (
            asked("webfetch", metadata={"url": "https://example.org/x", "format": "text"}),
            "webfetch: https://example.org/x",
        ),
        (asked("read", "/code/demo/.env"), "Read .env"),
        (asked("glob", "**/*.py", metadata={"pattern": "**/*.py"}), "Look for files named **/*.py"),
        (asked("grep", "TODO", metadata={"pattern": "TODO"}), "Search the files for TODO"),
        (asked("list", "/code/demo/src", metadata={"path": "/code/demo/src"}), "List the folder src"),
        (
            asked("websearch", "push tokens", metadata={"query": "push tokens"}),
            "Search the web for push tokens",
        ),
        (asked("lsp", "*", filePath="/code/demo/a.py"), "Ask the language server about a.py"),
        (asked("todowrite", "*"), "Change its list of things to do"),
        (asked("skill", "pdf-tools"), "Load the skill pdf-tools"),
        (
            asked("task", "explore", metadata={"description": "find the tests", "subagent_type": "explore"}),
            "Start the subagent explore: find the tests",
        ),
        (
            asked(
                "external_directory",
                "/etc/*",
                metadata={"command": "cat /etc/hostname", "directories": ["/etc"]},
            ),
            "Outside the project, in /etc: run cat /etc/hostname",
        ),
        (
            asked("external_directory", "/etc/*", metadata={"filepath": "/etc/hosts", "parentDir": "/etc"}),
            "Outside the project, in /etc: use /etc/hosts",
        ),
        (
            asked("doom_loop", "bash", metadata={"tool": "bash", "input": {"command": "make build"}}),
            "Go on although it does the same again and again? bash: make build",
        ),
        (
            asked("doom_loop", "tracker_find", metadata={"tool": "tracker_find", "input": {"id": 7}}),
            "Go on although it does the same again and again? Use tracker_find: id: 7",
        ),
        # Generation 2: no metadata, the command's parts as resources, the rest in the tool's call.
        (
            asked("shell", "echo start", "sleep 20", command="echo start && sleep 20"),
            "shell: echo start && sleep 20",
        ),
        (asked("shell", "echo start", "sleep 20"), "shell: echo start; sleep 20"),
        (asked("edit", "notes.txt", metadata={"files": [PATCH]}), "edit: notes.txt"),
        (asked("patch", "a", "b", metadata={"files": [PATCH, {"file": "b.txt"}]}), "edit: notes.txt, b.txt"),
        (asked("write", "new.txt"), "edit: new.txt"),
        (asked("external_directory", "/code/outside/*"), "Outside the project, in /code/outside/*: use it"),
        (
            asked("external_directory", "/code/outside/*", command="rm -rf /code/outside"),
            "Outside the project, in /code/outside/*: run rm -rf /code/outside",
        ),
        (
            asked("subagent", "general", description="child job", prompt="long"),
            "Start the subagent general: child job",
        ),
        (asked("subagent", "*"), "Start a subagent"),
        (asked("webfetch", "http://127.0.0.1:4999/v1/models"), "webfetch: http://127.0.0.1:4999/v1/models"),
        (asked("execute", "*", code="return 1"), "Run code: return 1"),
        (asked("question", "*"), "Ask you something"),
        # Tools of MCP servers and plugins.
        (
            asked("tracker_create_issue", "*", title="Fix it", labels=["a", "b"], urgent=True, count=2),
            'Use tracker_create_issue: title: "Fix it", labels: ["a", "b"], urgent: true, count: 2',
        ),
        (
            asked("tracker_create_issue", "*", metadata={"title": "Fix it"}),
            'Use tracker_create_issue: title: "Fix it"',
        ),
        (asked("tracker_create_issue", "*"), "Use tracker_create_issue"),
        (
            asked("tracker_login", "*", user="joe", password="swordfish"),
            'Use tracker_login: user: "joe", password: ***',
        ),
        (asked("deploy", "production"), "Use deploy: production"),
        (
            permission_words(Permission("shell", ["ls"], reason="a hook wants to know")),
            "shell: ls (a hook wants to know)",
        ),
        (asked("bash"), "bash"),
        (asked("read"), "Read"),
        (asked("edit"), "edit"),
        (asked("external_directory"), "Outside the project: use it"),
        (asked(""), ""),
    ],
)
def test_what_is_about_to_happen(words: str, shown: str) -> None:
    assert words == shown


def test_every_kind_that_can_be_configured_has_its_words() -> None:
    assert set(CONFIGURED.split()) | set(SECOND_GENERATION.split()) <= SENTENCES.keys() | SPECIAL.keys()


def test_no_kind_hides_the_command() -> None:
    for action in SENTENCES.keys() | SPECIAL.keys() | {"tracker_run"}:
        if "{}" in SENTENCES.get(action, ("{}",))[0] and action not in ("task", "subagent", "doom_loop"):
            assert "danger" in asked(action, "danger"), action


COLOURS = Question("Which colours do you want?", ["Red", "Blue", "Green"], several=True)
SIZE = Question("Which size?", ["Small", "Large"])


@pytest.mark.parametrize(
    ("questions", "words", "card"),
    [
        ([SIZE], "Which size? (Small / Large)", "Which size? (Small / Large)"),
        ([COLOURS], "Which colours do you want? (choose any: Red / Blue / Green)", None),
        (
            [COLOURS, SIZE],
            "1 of 2: Which colours do you want? (choose any: Red / Blue / Green) · 2 of 2: Which size? (Small / Large)",
            "1 of 2: Which colours do you want? (choose any: Red / Blue / Green)",
        ),
        ([Question("Why?")], "Why?", "Why?"),
        ([Question("", ["A", "B"])], "(A / B)", "(A / B)"),
        ([Question("Why?", ["", "A"])], "Why? (A)", "Why? (A)"),
        ([], "", ""),
    ],
)
def test_questions(questions: list[Question], words: str, card: str | None) -> None:
    assert question_words(questions) == words
    assert card_question(questions) == (words if card is None else card)


def test_a_long_question_is_shortened_and_its_options_are_kept() -> None:
    long = Question(
        "Which of the two databases shall I use for this? " * 9,
        ["Postgres, as in production", "SQLite, a file"],
    )
    card = card_question([long, SIZE, SIZE])
    assert card.startswith("1 of 3: Which of the two databases")
    assert card.endswith("… (Postgres, as in production / SQLite, a file)")
    assert len(card) <= MAX_CARD
    huge = question_words([Question("why " * 5000, ["Yes", "No"]), SIZE])
    assert "… (Yes / No) · 2 of 2: Which size? (Small / Large)" in huge
    assert len(huge.encode()) <= MAX_QUESTIONS


def test_of_many_options_each_is_shown_as_far_as_there_is_room() -> None:
    card = card_question([Question("Which one?", [f"option number {number}" for number in range(9)])])
    assert len(card) <= MAX_CARD
    assert card.count(" / ") == 8
    many = card_question([Question("Which one?", [f"option number {number}" for number in range(90)])])
    assert len(many) <= MAX_CARD
    assert many.endswith(" more)")


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.builds(
            Question, st.text(max_size=300), st.lists(st.text(max_size=60), max_size=30), st.booleans()
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_questions_fit(questions: list[Question]) -> None:
    assert len(card_question(questions)) <= MAX_CARD
    if len(questions) > 1:
        assert card_question(questions).startswith(f"1 of {len(questions)}:")


FIELDS: list[dict[str, Any]] = [
    {"key": "q0", "title": "Colours", "description": "Which colours do you want?", "type": "multiselect", "custom": True,
     "options": [{"value": "red", "label": "Red"}, {"value": "Blue"}, "odd"]},
    {"key": "q1", "title": "Size", "type": "string", "options": [{"value": "Small", "label": "Small"}]},
    {"key": "q2", "description": "Sure?", "type": "boolean"},
    {"key": "q3", "title": "Sign in", "type": "external", "url": "https://example.org/in"},
    {"key": "q4", "title": "How many?", "type": "integer"},
    {"key": "q5", "title": "Hidden", "type": "string", "hidden": True},
    {"key": "q6", "title": "Only then", "type": "string", "when": [{"key": "q2", "op": "eq", "value": True}]},
]  # fmt: skip


def test_a_form_of_the_second_generation() -> None:
    """h_form_multiple, recorded, and the field types that the contract of 2.1.2 has."""
    questions = form_questions("Questions", FIELDS)
    assert question_words(questions) == (
        "1 of 5: Colours: Which colours do you want? (choose any: Red / Blue) · 2 of 5: Size (Small) · 3 of 5: Sure? (Yes / No)"
        " · 4 of 5: Sign in https://example.org/in · 5 of 5: How many?"
    )
    assert question_words(form_questions("Sign in first", [])) == "Sign in first"
    assert form_questions("", []) == []
