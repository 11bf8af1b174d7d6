"""What the phone shows of an agent's last words: the last paragraph or question, as plain text, and nothing else than its words.

Reasoning in the text: open-webui/open-webui#26299, ZJU-REAL/HugAgentOS#69. The beginning instead of the result:
neutree-ai/agent-platform#216. Markdown: https://spec.commonmark.org, https://github.github.com/gfm.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.bridge.notify.mapping import Sender, event
from relay.bridge.notify.said import last_words
from relay.bridge.notify.source import Change
from relay.bridge.notify.text import MAX_CARD, MAX_SAID

SENDER = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")
LONG = "I went through all of it and it took a while to see what was wrong in there. " * 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("Done.", "Done."),
        ("I read the code.\n\nAll 214 tests pass.", "All 214 tests pass."),
        ("I fixed it.\n\nShall I **commit** it?", "Shall I commit it?"),
        ("# Summary\n\nThe login works.", "The login works."),
        ("The login works.\n\n## Next steps", "The login works."),
        ("## Done ##", "Done"),
        ("I changed:\n\n- `a.py`: **fixed**\n- `b.py`", "I changed: - a.py: fixed - b.py"),
        ("Which one do you want?\n\n1. Postgres\n2. SQLite", "Which one do you want? 1. Postgres 2. SQLite"),
        ("Shall I deploy it?\n\nLet me know.", "Shall I deploy it? Let me know."),
        ("本当にデプロイしますか？\n\n教えてください。", "本当にデプロイしますか？ 教えてください。"),
        ("It is fixed:\n\n```py\nx = 1\n```", "It is fixed:"),
        ("```py\nx = 1\n```", "x = 1"),
        ("It runs.\n\n~~~\nnever closed", "It runs."),
        ("> quoted\n> twice", "quoted twice"),
        ("Title\n=====\n\n---\n\nThe end\n***", "The end"),
        ("| file | state |\n|---|:-:|\n| a.py | ok |", "file, state a.py, ok"),
        ("- [x] tests\n- [ ] docs", "- tests - docs"),
        ("* one\n* two", "- one - two"),
        ("See [the docs](https://example.org/a_(b)) and ![a picture](x.png).", "See the docs and a picture."),
        ("See [docs][1].\n\n[1]: https://example.org", "See docs."),
        ("Go to <https://example.org>.", "Go to https://example.org."),
        ("It is **bold**, _it_, ***both***, ~~gone~~ and `a_b_c`.", "It is bold, it, both, gone and a_b_c."),
        ("snake_case_name, 2*3*4, a < b > c, __init__.py", "snake_case_name, 2*3*4, a < b > c, __init__.py"),
        ("A \\*star\\*, 5 &lt; 6 &amp; 7", "A *star*, 5 < 6 & 7"),
        ("<b>Bold</b> and a line<br>break", "Bold and a linebreak"),
        ("<think>Hm, is it?\n\nNo.</think>\n\nIt works.", "It works."),
        ("Hm, is it?</think>It works.", "It works."),
        ("It works.\n\n<think>but what if", "It works."),
        ("<thinking>a</thinking><Reasoning type='x'>b</Reasoning>ok", "ok"),
        ("<think>only thoughts</think>", ""),
        ("<details><summary>Thought for 3 s</summary>hm</details>\n\nDone it.", "Done it."),
        ("<!-- hidden -->Seen.", "Seen."),
        ("I think it works. <3", "I think it works. <3"),
        ("***", ""),
        ("\n \n", ""),
        ("Line one\nline two", "Line one line two"),
        ("A\r\n\r\nB", "B"),
    ],
)
def test_the_last_paragraph_or_question_as_plain_text(text: str, said: str) -> None:
    assert last_words(text) == said


@pytest.mark.parametrize("limit", [MAX_CARD, MAX_SAID])
def test_a_closing_question_is_kept_whole(limit: int) -> None:
    assert last_words(LONG + "Shall I delete the old branch?", limit) == "Shall I delete the old branch?"
    assert (
        last_words(LONG + "Shall I delete it? I can also keep it.", limit)
        == "Shall I delete it? I can also keep it."
    )
    assert last_words(LONG, limit).endswith("…")


def test_an_alert_shows_the_agents_words_or_that_it_is_done() -> None:
    def alert(text: str) -> tuple[str | None, str]:
        sent = event(Change("complete", "ses_a", "msg_1"), "Fix it", text, SENDER)
        assert sent.content_state
        return sent.body, sent.content_state.last_message

    assert alert("") == ("Done", "Done")
    assert alert("<think>hm") == ("Done", "Done")
    question = (
        "I fixed the login. " * 6
        + "Shall I also remove the old session table, which nobody has used for two years?"
    )
    assert alert(question) == (question, question[6 * 19 :])


@settings(deadline=None, max_examples=100)
@given(
    st.text(st.characters() | st.sampled_from("<>`*_[]()|#-\n\n??ab "), max_size=600),
    st.sampled_from([20, MAX_CARD, MAX_SAID]),
)
def test_any_text_becomes_one_line_that_fits(text: str, limit: int) -> None:
    said = last_words(text, limit)
    assert len(said) <= limit
    assert said == " ".join(said.split())
    assert "<think" not in said.lower()


def test_a_very_long_text_is_read_from_its_end() -> None:
    assert last_words("word " * 100_000 + "\n\nThe end.") == "The end."
    assert last_words("<b>`*_[" * 20_000) is not None
