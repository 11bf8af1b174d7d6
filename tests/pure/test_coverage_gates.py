"""The table of pure files names files that exist."""

from coverage_gates import PURE, pure_files


def test_every_pattern_and_every_exception_matches_a_file() -> None:
    pure, absent = pure_files(PURE)
    assert absent == []
    assert {"relay/contract.py", "relay/text.py", "relay/apns/reasons.py"} <= set(pure)


def test_a_pattern_that_matches_nothing_is_a_fault() -> None:
    rooms = {"relay/nowhere/*.py": "", "relay/*.py": "elsewhere"}
    assert pure_files(rooms)[1] == ["no file is relay/nowhere/*.py", "elsewhere.py is not in relay/*.py"]
