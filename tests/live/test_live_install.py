"""OpenCode is fetched once, wholly or not at all; npm is a script here, so that nothing is fetched."""

from collections.abc import Callable
from pathlib import Path

import pytest

from live.install import VERSION, MissingError, cache_folder, installed
from live.second_install import banner, installed2

Environment = dict[str, str]
Npm = Callable[[str], Environment]

PROGRAM = "node_modules/opencode-here/bin/opencode"
OTHER = "node_modules/opencode-elsewhere/bin/opencode"


def puts(program: str, version: str) -> str:
    """Shell lines: npm puts a program there, which says that it is of this version."""
    return f"""
        for argument; do case $argument in --prefix=*) folder=${{argument#--prefix=}};; esac; done
        mkdir -p "$(dirname "$folder/{program}")"
        printf '#!/bin/sh\\necho {version}\\n' >"$folder/{program}"
        chmod +x "$folder/{program}"
    """


@pytest.fixture
def npm(tmp_path: Path) -> Npm:
    """`npm(lines)`: an environment in which npm is a script of these lines, and the cache is empty."""

    def build(lines: str) -> Environment:
        script = tmp_path / "bin" / "npm"
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n{lines}\n')
        script.chmod(0o755)
        return {"PATH": f"{script.parent}:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache")}

    return build


def test_it_is_fetched_once(npm: Npm, tmp_path: Path) -> None:
    environment = npm(puts(PROGRAM, VERSION))
    program = installed(environment)
    assert program == cache_folder(environment) / PROGRAM
    assert installed(environment) == program
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.split()[0] == "install"
    assert call.split()[-1] == f"opencode-ai@{VERSION}"


def test_a_program_of_another_machine_is_passed_over(npm: Npm) -> None:
    environment = npm(puts(OTHER, "Illegal instruction") + puts(PROGRAM, VERSION))
    assert installed(environment) == cache_folder(environment) / PROGRAM


def test_without_a_program_that_runs_it_says_what_to_remove(npm: Npm) -> None:
    environment = npm(puts(OTHER, "0.0.1"))
    with pytest.raises(
        MissingError, match=f"none of the 1 programs in {cache_folder(environment)} runs here"
    ):
        installed(environment)


def test_without_npm_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="npm is not installed"):
        installed({"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)})


def test_a_failed_fetch_leaves_nothing_and_says_why(npm: Npm) -> None:
    environment = npm(puts(PROGRAM, VERSION) + "echo 'npm error code ENOTFOUND' >&2; exit 1")
    with pytest.raises(
        MissingError, match=f"could not install opencode-ai@{VERSION}: npm error code ENOTFOUND"
    ):
        installed(environment)
    assert list(cache_folder(environment).parent.iterdir()) == []


class TestGeneration2:
    def program(self, environment: Environment, name: str, said: str) -> Path:
        path = Path(environment["PATH"].partition(":")[0]) / name
        path.write_text(f"#!/bin/sh\necho {said}\n")
        path.chmod(0o755)
        return path

    @pytest.mark.parametrize("name", ["opencode", "opencode2"])
    def test_one_in_the_path_is_taken_if_it_is_of_version_2(self, npm: Npm, name: str) -> None:
        environment = npm("exit 1")
        program = self.program(environment, name, "opencode v2.3.1")
        assert installed2(environment) == program

    def test_else_the_newest_package_is_fetched_once(self, npm: Npm, tmp_path: Path) -> None:
        environment = npm(puts("node_modules/@opencode/cli-here/bin/opencode", "opencode v2.1.2"))
        self.program(environment, "opencode", "1.18.33")
        program = installed2(environment)
        assert installed2(environment) == program
        (call,) = (tmp_path / "calls").read_text().splitlines()
        assert call.split()[-1] == "@opencode/cli@2"

    def test_without_one_nobody_can_overlook_it(self, npm: Npm) -> None:
        environment = npm("echo 'npm error code E404' >&2; exit 1")
        with pytest.raises(
            MissingError, match="could not install @opencode/cli@2: npm error code E404"
        ) as raised:
            installed2(environment)
        lines = banner(str(raised.value))
        assert lines[1].startswith("OPENCODE 2 WAS NOT TESTED: npm could not install")
        assert lines[0] == lines[-1] == "!" * 100

    def test_a_package_that_does_not_run_says_what_to_remove(self, npm: Npm) -> None:
        environment = npm(puts("node_modules/@opencode/cli-here/bin/opencode", "Illegal instruction"))
        with pytest.raises(MissingError, match=r"none of the programs in .*opencode-2 runs here; remove"):
            installed2(environment)
