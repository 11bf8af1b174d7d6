"""The pytest plugin, in projects of its users: pytest in a process of its own, in a folder outside of the checkout."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

PUSH = """
import httpx

def push(apns, title, token=None):
    with httpx.Client(http2=True, verify=apns.ssl_context()) as client:
        return client.post(
            f"{apns.url}/3/device/{token or apns.device.token}",
            headers={"authorization": f"bearer {apns.provider_token()}", "apns-topic": apns.bundle_id},
            json={"aps": {"alert": {"title": title}}},
        )
"""

USED = """
import asyncio, httpx, pytest
from pushing import push

@pytest.fixture(scope="session")
def apns_options():
    return {"bundle_id": "com.mine.app"}

@pytest.fixture(scope="session")
def provider(apns_server):
    return lambda title: push(apns_server, title)     # started once, for all tests

@pytest.mark.parametrize("number", range(4))
def test_a_fresh_one_for_each_test(apns, number):
    assert apns.bundle_id == "com.mine.app"
    assert apns.sent == ()
    push(apns, "Hello")
    assert apns.wait_for_push().outcome == "shown"
    assert len(apns.sent) == 1

@pytest.mark.parametrize("number", range(4))
def test_one_for_all_tests_is_as_new_for_each(apns_server, provider, number):
    assert apns_server.sent == ()
    provider("Hello")
    assert len(apns_server.device.notifications) == 1
    apns_server.device.unregister()

@pytest.mark.apns(clock="virtual", profile="strict")
def test_a_marker_gives_options(apns):
    began = apns.now
    apns.advance(3600)
    assert (apns.now - began, apns.bundle_id) == (3600, "com.mine.app")

@pytest.mark.asyncio
async def test_a_coroutine(apns):
    async with httpx.AsyncClient(http2=True, verify=apns.ssl_context()) as client:
        pushing = asyncio.create_task(client.post(
            f"{apns.url}/3/device/{apns.device.token}",
            headers={"authorization": f"bearer {apns.provider_token()}", "apns-topic": apns.bundle_id},
            json={"aps": {"alert": "Hello"}},
        ))
        assert (await apns.wait_for_push_async()).aps == {"alert": "Hello"}
        assert (await pushing).status_code == 200

def test_the_mode_of_pytest_asyncio_is_as_it_was(request):
    assert request.config.getoption("asyncio_mode") is None
    assert request.config.getini("asyncio_mode") == "strict"
"""

FAILING = """
from dataclasses import replace
from pushing import push

def test_none_was_sent(apns):
    push(apns, "Hello")
    assert apns.sent == ()

def test_two_pushes(apns):
    push(apns, "Hello"); push(apns, "World")
    one, two = apns.sent
    assert one == two

def test_a_list(apns):
    push(apns, "Hello"); push(apns, "World")
    one, two = apns.sent
    assert apns.sent == (one, replace(two, priority=5))

def test_it_comes_late(apns_server):
    push(apns_server, "Hello", "ab" * 32)
    apns_server.wait_for_push(accepted=True, timeout=0.01)

def test_numbers_are_compared_as_ever():
    assert [1, 2] == [1, 3]

def test_what_is_no_push(apns):
    push(apns, "Hello")
    assert apns.sent == ("Hello",)

def test_text():
    assert "a" == "b"
"""

UNUSED = """
import sys

def test_nothing_of_the_sandbox_is_imported_before_somebody_asks_for_it():
    assert "simulator.pytest_plugin" in sys.modules
    foreign = {"simulator.lab", "simulator.apns", "trustme", "jwt", "cryptography", "msgspec", "asyncio"}
    assert not foreign & set(sys.modules)
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """With this plugin and those of the options, and no other that is installed here, which would only cost time."""
    (folder / "pushing.py").write_text(PUSH)
    variables = {"PYTHONPATH": f"{ROOT}:{folder}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "simulator.pytest_plugin", "-p", "no:cacheprovider", "-q", *options],
        cwd=folder, env=os.environ | variables, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_fixtures_serve_plain_functions_and_coroutines_in_all_workers(tmp_path: Path) -> None:
    (tmp_path / "test_used.py").write_text(USED)
    done = run(tmp_path, "--strict-markers", "-p", "pytest_asyncio.plugin", "-p", "xdist.plugin", "-n", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 passed" in done.stdout


def test_a_failed_test_says_what_was_pushed_and_what_differs(tmp_path: Path) -> None:
    (tmp_path / "test_a_unused.py").write_text(UNUSED)
    (tmp_path / "test_failing.py").write_text(FAILING)
    done = run(tmp_path)
    said = done.stdout
    assert done.returncode == 1, said + done.stderr
    assert "7 failed, 1 passed" in said
    none, two, several, late, numbers, other, text = (said.split("____ test_")[1:] + [""] * 7)[:7]
    hello = '<Push 1 to ...2466dcec: alert 200 shown "Hello">'
    assert "apns = <ApnsSandbox at https://127.0.0.1:" in none
    assert f"1 == 0 pushes\nE         left:\nE           {hello}\nE         right: none" in none
    assert f"pushes to the APNs sandbox --------------------------\n{hello}\n" in none
    for line in (
        "number: 1 != 2",
        "{'aps': {'alert': {'title': 'Hello'}}} != {'aps': {'alert': {'title': 'World'}}}",
    ):
        assert line in two
    assert "topic: " not in two
    assert "at 1:\nE           priority: 10 != 5" in several
    assert "no push with accepted=True came within 0.01 s; 1 came in all:" in late
    assert "At index 1 diff: 2 != 3" in numbers
    assert f"at 0:\nE           {hello} != 'Hello'" in other
    assert "'a' == 'b'" in text
