"""Relay, bridge and sandbox as processes, each with its log, and what each of them uses: memory, files, tasks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from simulator.loopback import free_port

SECRET = "fuzz-fuzz-fuzz-fuzz"
TOKENS = [f"{number:02x}" * 32 for number in range(4)]
START_SECONDS, STOP_SECONDS = 60.0, 20.0
COUNTED = Path(__file__).with_name("counted.py")


class Usage(NamedTuple):
    """`memory` in MiB (resident), `files` open descriptors, `tasks` of asyncio."""

    memory: float
    files: int
    tasks: int


class Process:
    """One of them. `url` is where its routes are, `document` where its OpenAPI document is."""

    def __init__(self, name: str, folder: Path, arguments: list[str], environment: dict[str, str], url: str, document: str) -> None:  # fmt: skip
        self.name, self.url, self.document = name, url, url + document
        self._log, self._tasks = folder / f"{name}.log", folder / f"{name}.tasks"
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("APNS_", "RELAY_", "COVERAGE_"))
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(COUNTED), str(self._tasks), *arguments],
                env=inherited | environment | {"HOME": str(folder)},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """All that it printed."""
        return self._log.read_text(errors="replace")

    def ready(self) -> None:
        """Return when it replies to a request."""

        def replies() -> bool:
            assert self._process.poll() is None, self.log
            try:
                return requests.get(self.document, timeout=5).ok
            except requests.RequestException:
                return False

        _until(replies, START_SECONDS, f"{self.name} does not reply:\n{self.log}")

    def usage(self) -> Usage:
        """What it uses now."""
        self._tasks.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        _until(self._tasks.exists, 10.0, f"{self.name} does not count its tasks")
        process = psutil.Process(self._process.pid)
        return Usage(process.memory_info().rss / 2**20, process.num_fds(), int(self._tasks.read_text()))

    def stop(self) -> int | None:
        """Its exit status; None: it had to be killed."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None


def _until(condition: Callable[[], bool], within: float, otherwise: str) -> None:
    ends = time.monotonic() + within
    while not condition():
        assert time.monotonic() < ends, otherwise
        time.sleep(0.05)  # another process, on the real clock


@contextmanager
def running(folder: Path) -> Iterator[list[Process]]:
    """Relay, bridge and the sandbox with its control API, ready. The relay's pushes go to a second sandbox, which takes all."""
    with ExitStack() as stack:

        def start(name: str, arguments: list[str], environment: dict[str, str], url: str, document: str) -> Process:  # fmt: skip
            process = Process(name, folder, arguments, environment, url, document)
            stack.callback(process.stop)
            return process

        def sandbox(name: str, *arguments: str) -> tuple[Process, int]:
            port, control = free_port(), free_port()
            ports = [f"--{one}=0" for one in ("production-port", "manage-port", "manage-production-port")]
            arguments = (*ports, f"--port={port}", f"--control-port={control}", *arguments)
            words = ["simulator", "apns", f"--folder={folder / name}", *arguments]
            return start(name, words, {}, f"http://127.0.0.1:{control}", "/control/openapi.json"), port

        sink, apns_port = sandbox("sink", "--sink")
        control, _ = sandbox("control", "--clock=virtual")
        opencode = f"http://127.0.0.1:{free_port()}"
        start(
            "opencode", ["simulator", "opencode", f"--port={opencode.rpartition(':')[2]}"], {}, opencode, ""
        )
        sink.ready()
        relay_port, bridge_port = free_port(), free_port()
        relay_url = f"http://127.0.0.1:{relay_port}"
        ca_file = next((folder / "sink").glob("*.pem"))
        variables = _relay_variables(folder, relay_port, apns_port, ca_file)
        relay = start("relay", ["relay", "serve"], variables, relay_url, "/openapi.json")
        options = [f"--opencode-url={opencode}", f"--relay-url={relay_url}", f"--relay-secret={SECRET}", f"--port={bridge_port}"]  # fmt: skip
        bridge_url = f"http://127.0.0.1:{bridge_port}"
        bridge = start("bridge", ["relay", "bridge", *options], {}, bridge_url, "/openapi.json")
        processes = [relay, bridge, control]
        for process in processes:
            process.ready()
        for token in TOKENS:
            body = {"secret": SECRET, "deviceToken": token, "pushToStartToken": token * 2}
            requests.post(f"{relay_url}/v1/device/register", json=body, timeout=10).raise_for_status()
        yield processes


def _relay_variables(folder: Path, port: int, apns_port: int, ca_file: Path) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "PORT": str(port),
        "DATABASE_URL": f"sqlite://{folder}/relay.sqlite3",
        "APNS_TEAM_ID": "TEAM123456",
        "APNS_KEY_ID": "KEY1234567",
        "APNS_PRIVATE_KEY": pem,
        "APNS_DEFAULT_BUNDLE_ID": "com.example.app",
        "APNS_HOST_PRODUCTION": f"127.0.0.1:{apns_port}",
        "APNS_HOST_SANDBOX": f"127.0.0.1:{apns_port}",
        "APNS_CA_FILE": str(ca_file),
        "RELAY_EVENT_DEADLINE": "1",
        "RELAY_LIMITS": "off",
    }
