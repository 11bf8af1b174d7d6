"""What is said where only the bridge's packages are installed."""

import pytest

from relay.bridge.errors import OptionError
from relay.errors import CommandError, ServerNotInstalled, server_packages


def test_a_missing_package_is_one_sentence_that_names_the_remedy() -> None:
    with (
        pytest.raises(ServerNotInstalled, match=r"pip install 'opencode-push-relay\[server\]'"),
        server_packages(),
    ):
        raise ModuleNotFoundError(name="tortoise.connection")


def test_a_module_of_our_own_that_is_missing_is_a_fault() -> None:
    with pytest.raises(ModuleNotFoundError), server_packages():
        raise ModuleNotFoundError(name="relay.server.nowhere")


@pytest.mark.parametrize("error", [ServerNotInstalled(), OptionError("no")])
def test_the_command_line_prints_every_one_of_them(error: Exception) -> None:
    assert isinstance(error, CommandError)
