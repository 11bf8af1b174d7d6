"""The locustfile: servers that tell relays of events, as fast as they are answered, until all events are told.

    LOAD='{"urls": [...], "secrets": [...], "events": 1000, "name": "a", "sent": "FILE"}' locust -f loadtests/event_user.py --headless ...

Each event is a session of its own, `a-0`, `a-1`, ...; the file gets a line for each: session id, when it was told and when
it was answered (UNIX seconds), and the reply's sent, failed and queued (-1 if it was refused). The last line tells the
generator's own share of a core and its longest lag (how late a timer was, in seconds).
"""

import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task
from locust.env import Environment

LAG_STEP = 0.05

LOAD: dict[str, Any] = json.loads(os.environ["LOAD"])


class Log:
    """What was told, and how the generator itself fared."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.lag = 0.0
        self.began = time.perf_counter()
        self.began_cpu = time.process_time()

    def watch(self) -> None:
        """Measure how late timers are, for ever."""
        while True:
            asked = time.perf_counter()
            gevent.sleep(LAG_STEP)
            self.lag = max(self.lag, time.perf_counter() - asked - LAG_STEP)

    def write(self, path: Path) -> None:
        """All of it."""
        share = (time.process_time() - self.began_cpu) / (time.perf_counter() - self.began)
        path.write_text("".join(self.lines) + f"generator {share:.3f} {self.lag:.4f}\n")


log = Log()
numbers = iter(range(LOAD["events"]))
places = itertools.count()


class Server(FastHttpUser):
    """One OpenCode server's bridge. Each talks to one relay; each event goes to the next secret."""

    def on_start(self) -> None:
        """Choose a relay in turn."""
        urls = LOAD["urls"]
        self.url = urls[next(places) % len(urls)]

    @task
    def tell(self) -> None:
        """Tell the next event, or end the run after the last."""
        number = next(numbers, None)
        if number is None:
            self.environment.process_exit_code = 0
            self.stop(force=False)
            return
        secrets = LOAD["secrets"]
        name = f"{LOAD['name']}-{number}"
        body = {
            "secret": secrets[number % len(secrets)],
            "eventType": "complete",
            "sessionID": name,
            "eventID": name,
            "serverID": "load",
            "title": "Session complete",
            "body": f"Refactor the parser, step {number}: all 41 tests pass",
        }
        told = time.time()
        with self.client.post(
            f"{self.url}/v1/event", name="/v1/event", json=body, catch_response=True
        ) as response:
            log.lines.append(f"{name} {told!r} {time.time()!r} {_counts(response)}\n")


def _counts(response: Any) -> str:
    if response.status_code != 200:
        return "-1 -1 -1"
    reply = json.loads(response.content)
    return f"{reply['sent']} {reply['failed']} {reply['queued']}"


@events.init.add_listener
def begin(environment: Environment, **_: Any) -> None:
    """Watch ourselves; end when nobody has anything left to tell."""
    gevent.spawn(log.watch)

    def end_when_told() -> None:
        runner = environment.runner
        while runner is None or runner.state in ("ready", "spawning") or runner.user_count:
            gevent.sleep(0.05)
            runner = environment.runner
        runner.quit()

    gevent.spawn(end_when_told)


@events.quitting.add_listener
def end(**_: Any) -> None:
    """Write the file."""
    log.write(Path(LOAD["sent"]))
