"""`simulator conform --provider` on real providers: stock aioapns, of whose defects it finds each, and the relay's own client, of which none.

Here are the quick cases, each with its bound cut short; `make providers` runs all of them, with the libraries of others.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.__main__ import main
from simulator.conform.providers import command, run
from simulator.conform.providers.cases import CASES
from simulator.conform.providers.verdict import Kind

ROOT = Path(__file__).parents[3]
PROVIDERS = ROOT / "tests" / "providers"
DEFECTS: dict[str, set[Kind]] = {
    "plain": {"protocol"},
    "graceful goaway": {"doubled", "hammered"},
    "refused, no apns-id": {"unanswered"},
    "a body in two frames": {"misreported", "hammered"},
    "unavailable": {"gave up"},
    "cut connections": {"lost", "hammered"},
    "idle": {"hammered"},
}
"""Of aioapns 4.0. The kinds that the case is there for; there may be more."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs is waited for no longer than what is slow on a busy machine."""
    short = {case.name: replace(case, seconds=4.0) for case in CASES if case.name == "refused, no apns-id"}
    monkeypatch.setattr(command, "CASES", tuple(short.get(case.name, case) for case in CASES))


def _conform(
    capsys: pytest.CaptureFixture[str], program: str, *cases: str, start: str = sys.executable
) -> tuple[int, str]:
    only = [word for case in cases for word in ("--only", case)]
    provider = f"PYTHONPATH={ROOT} {start} {program}"
    status = main(["conform", "--provider", provider, "--json", *only])
    return status, capsys.readouterr().out


def test_the_defects_of_stock_aioapns_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = _conform(capsys, f"{PROVIDERS}/provide_aioapns.py", *DEFECTS)
    assert status == 1
    found = {case["case"]: {one["kind"] for one in case["findings"]} for case in json.loads(said)["cases"]}
    assert found.keys() == DEFECTS.keys()
    for name, kinds in DEFECTS.items():
        assert kinds <= found[name], (name, found[name])


def test_the_program_of_the_docs_is_a_provider(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = (ROOT / "docs" / "providers.md").read_text()
    program = tmp_path / "provide.py"
    program.write_text(page.partition("```python\n# provide.py\n")[2].partition("```")[0])
    status, said = _conform(capsys, str(program), "gone", "one stream")
    assert status == 0, said


def test_nothing_is_found_of_the_relays_own_client(capsys: pytest.CaptureFixture[str]) -> None:
    """`unavailable` and `cut connections` are left to `make providers`: its pauses take ten seconds."""
    names = [name for name in DEFECTS if name not in ("unavailable", "cut connections")]
    status, said = _conform(capsys, f"{PROVIDERS}/provide_relay.py", *names)
    assert (status, json.loads(said)["cases"][0]["findings"]) == (0, []), said


def test_a_provider_that_ends_or_says_nothing_sensible_is_found(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "provide.py"
    program.write_text("import sys\nprint('up')\nprint('[1]')\nsys.exit('the key is missing')\n")
    status, said = _conform(capsys, str(program), "plain")
    assert status == 1
    texts = [one["text"] for one in json.loads(said)["cases"][0]["findings"]]
    assert "the provider ended before it was asked to: status 1, the key is missing" in texts
    program.write_text('import time\nprint(\'{"id": "0", "status": 200}\', flush=True)\ntime.sleep(600)\n')
    monkeypatch.setattr(command, "CASES", (replace(CASES[0], seconds=0.2),))
    monkeypatch.setattr(run, "START_SECONDS", 1.0)
    monkeypatch.setattr(run, "END_SECONDS", 0.1)
    status = main(["conform", "--provider", f"{sys.executable} {program}"])
    printed = capsys.readouterr()
    assert status == 1
    assert "misreported: 1 were called delivered, and never arrived" in printed.out
    assert "0 of 1 cases without a finding." in printed.out
    assert printed.err.startswith("plain: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "CASES.json is missing, or --provider: one of the two"),
        (("cases.json", "--provider", "true"), "CASES.json is given, and so is --provider: one of the two"),
        (("--provider", "true", "--only", "none"), "there is no case 'none': it is one of plain, "),
    ],
)
def test_what_is_asked_for_wrongly_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    try:
        status: object = main(["conform", *arguments])
    except SystemExit as ended:  # as argparse ends what it does not understand
        status = ended.code
    assert status == 2
    assert words in capsys.readouterr().err
