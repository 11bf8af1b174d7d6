"""Options that are checked, and an end that is the same however it comes."""

import argparse
import os
import signal

import pytest

from loadtests.command import STOPPED, amount, count, run


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "1.5"])
def test_a_count_is_a_whole_number_from_1_on(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="whole number from 1 on"):
        count(text)


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "nan", "inf"])
def test_an_amount_is_above_0(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="above 0"):
        amount(text)


@pytest.fixture(autouse=True)
def the_signals_of_before():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("status", [0, 1])
def test_the_exit_status_is_what_the_test_found(status: int) -> None:
    with pytest.raises(SystemExit) as ended:
        run(lambda: status)
    assert ended.value.code == status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_tidies_up_and_says_so(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    tidied = []

    def stopped() -> int:
        try:
            os.kill(os.getpid(), number)
        finally:
            tidied.append(True)
        return 0

    with pytest.raises(SystemExit) as ended:
        run(stopped)
    assert (ended.value.code, tidied) == (STOPPED, [True])
    assert "stopped before its end" in capsys.readouterr().err
