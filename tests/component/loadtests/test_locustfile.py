"""`locust -f loadtests/locustfile.py` against a relay and a sandbox that run as processes, as a Locust user runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from loadtests.processes import ROOT, answers, python, wait_for
from simulator.loopback import free_port

ARRIVALS = {"alert on the phone", "card starts", "card asks", "card ends"}
PORTS = ("--port", "--production-port", "--manage-port", "--manage-production-port", "--control-port")


def locust(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Headless; whatever it says."""
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(ROOT / "loadtests/locustfile.py"),
        "--headless",
        *arguments,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


@contextmanager
def relay_and_sandbox(folder: Path) -> Iterator[tuple[str, str]]:
    """Where they are."""
    ready, port = folder / "apns.json", str(free_port())
    ports = [text for option in PORTS for text in (option, str(free_port()))]
    sandbox = ["apns", "--json", "--ready-file", str(ready), "--folder", str(folder / "apns"), *ports]
    with ExitStack() as stack:
        process = stack.enter_context(python("simulator", sandbox, {}, folder / "apns.log"))
        wait_for(ready.exists, process, folder / "apns.log")
        found = json.loads(ready.read_text())
        environment = {
            "PORT": port,
            "DATABASE_URL": f"sqlite://{folder}/relay.sqlite3",
            "APNS_TEAM_ID": found["team_id"],
            "APNS_KEY_ID": found["key_id"],
            "APNS_PRIVATE_KEY_FILE": found["key_file"],
            "APNS_CA_FILE": found["ca_file"],
            "APNS_DEFAULT_BUNDLE_ID": found["topic"],
            **{
                f"APNS_HOST_{name.upper()}": f"127.0.0.1:{found['ports'][name]}"
                for name in ("sandbox", "production")
            },
        }
        url = f"http://127.0.0.1:{port}"
        process = stack.enter_context(python("relay", ["serve"], environment, folder / "relay.log"))
        wait_for(lambda: answers(f"{url}/health"), process, folder / "relay.log")
        yield url, found["control"]


def test_what_reaches_the_phones_is_a_request_of_its_own(tmp_path: Path) -> None:
    with relay_and_sandbox(tmp_path) as (relay, control):
        done = locust(
            "--host", relay, "--sandbox", control, "--phones", "2", "--pause", "0.2", "-u", "6", "-r", "6", "-t", "6s",
            "--json", "--html", str(tmp_path / "run.html"),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows.keys() >= ARRIVALS, done.stdout
    assert {row["num_failures"] for row in rows.values()} == {0}, done.stdout
    assert {rows[name]["method"] for name in ARRIVALS} == {"APNs"}
    events = sum(row["num_requests"] for name, row in rows.items() if name.startswith("/v1/event"))
    assert sum(rows[name]["num_requests"] for name in ARRIVALS) == 2 * events
    assert (tmp_path / "run.html").read_text().count("current_rps") >= 1


def test_without_a_sandbox_where_one_is_named_it_says_so_and_ends() -> None:
    done = locust("--host", "http://127.0.0.1:9", "--sandbox", "http://127.0.0.1:9", "-t", "1s")
    assert done.returncode != 0
    assert "no APNs sandbox answers at http://127.0.0.1:9/control" in done.stderr
    assert "Traceback" not in done.stderr
