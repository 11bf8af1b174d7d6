"""The locustfile: servers that report events to relays, as fast as they are answered, until all events are reported.

    LOAD='{"urls": [...], "secrets": [...], "events": 1000, "name": "a", "sent": "FILE"}' locust -f loadtests/event_user.py --headless ...

Each event is a session of its own, `a-0`, `a-1`, ...; the file gets a line for each: session id, when it was reported and when
it was answered (UNIX seconds), and the reply's sent, failed and queued (-1 if it was refused). The last line tells the
seconds of processor that telling took, and the generator's longest lag (how late a timer was, in seconds).

Locust's own HTTP clients take four times the processor of the plain connection used here, on a machine that the relay
must share with them; Locust gets to know of every request all the same, and its reports count them.
"""

import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust import User, events, stats, task
from locust.env import Environment
from locust.stats import CSV_STATS_INTERVAL_SEC

from loadtests.keep_alive import KeepAlive, Reply, ReplyError

LAG_STEP = 0.05
ROUTE = "/v1/event"

stats.HISTORY_STATS_INTERVAL_SEC = 0.2  # type: ignore[assignment]
"""Locust's charts have a point every 5 s, and most runs here are over before."""

LOAD: dict[str, Any] = json.loads(os.environ["LOAD"])


class Log:
    """What was reported, and how the generator itself fared."""

    def __init__(self) -> None:
        self.reported: list[tuple[str, float, float, Reply | None]] = []
        self.lag = 0.0
        self.began_cpu = time.process_time()
        self.cpu = 0.0

    def watch(self) -> None:
        """Measure how late timers are, for ever."""
        while True:
            asked = time.perf_counter()
            gevent.sleep(LAG_STEP)
            self.lag = max(self.lag, time.perf_counter() - asked - LAG_STEP)

    def over(self) -> None:
        """Nothing is left to report: what follows is not counted."""
        self.cpu = time.process_time() - self.began_cpu

    def write(self, path: Path) -> None:
        """All of it."""
        lines = (
            f"{session} {began!r} {answered!r} {_counts(reply)}\n"
            for session, began, answered, reply in self.reported
        )
        path.write_text("".join(lines) + f"generator {self.cpu:.4f} {self.lag:.4f}\n")


def _counts(reply: Reply | None) -> str:
    if reply is None or reply.status != 200:
        return "-1 -1 -1"
    counts = json.loads(reply.body)
    return f"{counts['sent']} {counts['failed']} {counts['queued']}"


log = Log()
numbers = iter(range(LOAD["events"]))
places = itertools.count()


class Server(User):
    """One OpenCode server's bridge. Each talks to one relay; each event goes to the next secret."""

    def on_start(self) -> None:
        """Choose a relay in turn."""
        urls = LOAD["urls"]
        self.relay = KeepAlive(urls[next(places) % len(urls)])

    @task
    def report_all(self) -> None:
        """Tell events as long as there are any, then end."""
        for number in numbers:
            self._report(f"{LOAD['name']}-{number}", number)
        self.relay.close()
        self.environment.process_exit_code = 0
        self.stop(force=False)

    def _report(self, session: str, number: int) -> None:
        body = event(session, number)
        began = time.time()
        reply, error = self._post(body)
        answered = time.time()
        log.reported.append((session, began, answered, reply))
        self.environment.events.request.fire(
            request_type="POST",
            name=ROUTE,
            response_time=1000 * (answered - began),
            response_length=len(reply.body) if reply else 0,
            exception=error,
            context={},
        )

    def _post(self, body: bytes) -> tuple[Reply | None, Exception | None]:
        """The reply, and what is wrong with it."""
        try:
            reply = self.relay.post(ROUTE, body)
        except (OSError, ReplyError) as error:
            return None, error
        return reply, None if reply.status == 200 else ReplyError(f"answered {reply.status}")


def event(session: str, number: int) -> bytes:
    """What a bridge reports when a session is done."""
    secrets = LOAD["secrets"]
    body = {
        "secret": secrets[number % len(secrets)],
        "eventType": "complete",
        "sessionID": session,
        "eventID": session,
        "serverID": "load",
        "title": "Session complete",
        "body": f"Refactor the parser, step {number}: all 41 tests pass",
    }
    return json.dumps(body).encode()


@events.init.add_listener  # type: ignore[untyped-decorator]
def begin(environment: Environment, **_: Any) -> None:
    """Watch ourselves; end when nobody has anything left to report."""
    gevent.spawn(log.watch)

    def end_when_reported() -> None:
        runner = environment.runner
        while runner is None or runner.state in ("ready", "spawning") or runner.user_count:
            gevent.sleep(0.05)
            runner = environment.runner
        log.over()
        if getattr(environment.parsed_options, "csv_prefix", None):
            gevent.sleep(
                1.5 * CSV_STATS_INTERVAL_SEC
            )  # so often Locust writes it, but not once more at the end
        runner.quit()

    gevent.spawn(end_when_reported)


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def end(**_: Any) -> None:
    """Write the file."""
    log.write(Path(LOAD["sent"]))
