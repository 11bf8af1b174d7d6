"""What the commands of `simulator` take, as argparse knows it."""

import argparse
import json
from math import inf
from pathlib import Path
from typing import Any

from simulator.usage import Parser, number


def parser_of_simulator() -> Parser:
    """What `simulator` takes; `command` of the result is the name of the command, `parser` its own parser."""
    parser = Parser("simulator", description="OpenCode, APNs and an iPhone on one machine.")
    parser.add_argument("--version", action=_Version, help="which version this is")
    parser.add_argument(
        "--print-completion",
        action=_Completion,
        metavar="SHELL",
        choices=("bash", "zsh", "tcsh"),
        help="print what a shell reads to complete these commands: bash, zsh or tcsh",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    _add_replay(commands.add_parser("replay", help="one scenario through the whole chain, checked"))
    _add_demo(commands.add_parser("demo", help="the whole chain in this terminal, until Ctrl-C"))
    _add_apns(commands.add_parser("apns", help="an APNs sandbox with a phone, for any provider"))
    _add_push(commands.add_parser("push", help="one push to a running sandbox, and what became of it"))
    _add_opencode(
        commands.add_parser("opencode", help="a fake OpenCode server, scripted or with made-up load")
    )
    _add_conform(
        commands.add_parser(
            "conform",
            help="acceptance cases against a fresh APNs sandbox, or staged faults against your provider",
        )
    )
    return parser


def _add_replay(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "scenario",
        nargs="?",
        metavar="SCENARIO",
        help="a name of --list, or a file of your own: NAME.json, or a recording of either generation of OpenCode, NAME.global.ndjson or NAME.api.ndjson",
    )
    command.add_argument("--list", action="store_true", help="name all scenarios")
    command.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="N times as fast as recorded")
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    command.add_argument(
        "--database-url", metavar="URL", help="the relay's database; default a new SQLite file"
    )
    command.add_argument(
        "-v", "--verbose", action="store_true", help="every single expectation, also those that held"
    )
    _add_phone(command)
    command.add_argument(
        "--relays", type=int, choices=(1, 2, 3), default=1, help="relay processes on one database; default 1"
    )
    command.set_defaults(command="replay", parser=command)


def _add_demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help="which to play, files of your own, too; default a choice of them",
    )
    command.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="N times as fast as recorded")
    command.add_argument("--once", action="store_true", help="end after the last scenario")
    command.add_argument(
        "--opencode",
        nargs="?",
        const="",
        metavar="URL",
        help="play nothing: follow your own OpenCode at this URL, or without one that which runs on this machine",
    )
    command.add_argument(
        "--start-opencode",
        action="store_true",
        help="the same with an OpenCode that is started in this folder",
    )
    command.add_argument(
        "--control-port",
        type=_port,
        metavar="N",
        help="of the page; default 8901, or a free one if that is taken",
    )
    command.add_argument(
        "-v", "--verbose", action="store_true", help="a line for every hop from OpenCode to the screen"
    )
    command.set_defaults(command="demo", parser=command)


def _add_conform(command: argparse.ArgumentParser) -> None:
    command.add_argument("cases", nargs="?", type=Path, metavar="CASES.json")
    command.add_argument(
        "--provider",
        metavar="COMMAND",
        help="put a provider of yours through staged faults instead: what it lost, doubled or hammered",
    )
    command.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="CASE",
        help="of --provider's cases this one; repeatable; default all",
    )
    command.add_argument(
        "--json", action="store_true", help="one JSON object; the line a case goes to standard error"
    )
    command.set_defaults(command="conform", parser=command)


class _Completion(argparse.Action):
    """Makes the script only when it is wanted."""

    def __init__(self, **options: Any) -> None:
        super().__init__(default=argparse.SUPPRESS, **options)

    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: Any, __: str | None = None) -> None:
        """Print it and end."""
        from shtab import complete

        print(complete(parser, shell=shell))
        parser.exit()


class _Version(argparse.Action):
    """Asks for the version only when it is wanted."""

    def __init__(self, **options: Any) -> None:
        super().__init__(nargs=0, default=argparse.SUPPRESS, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and end."""
        from importlib.metadata import version

        print(f"simulator {version('opencode-push-relay')}")
        parser.exit()


def _add_phone(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--app",
        choices=("flat", "expo-widgets"),
        default="flat",
        help="how the app builds its Live Activities",
    )
    command.add_argument(
        "--foreground",
        action="store_true",
        help="the app is open and follows OpenCode itself; default in the background, living by pushes",
    )
    command.add_argument(
        "--background",
        action="store_false",
        dest="foreground",
        help="the app is not open; this is the default",
    )
    command.add_argument(
        "--phone-profile",
        choices=("lenient", "default", "measured", "strict"),
        default="default",
        help="the phone's budgets; a strict one wakes no app, so that cards started by push stay as they began",
    )


def _add_apns(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=_port, metavar="N", help="development; default 2197")
    command.add_argument("--production-port", type=_port, metavar="N", help="default 2198")
    command.add_argument("--manage-port", type=_port, metavar="N", help="channels, development; default 2195")
    command.add_argument("--manage-production-port", type=_port, metavar="N", help="channels; default 2196")
    command.add_argument("--control-port", type=_port, metavar="N", help="default 8901")
    command.add_argument(
        "--free-ports",
        action="store_true",
        help="any free port in place of each of these five that is not given: for tests, which may run side by side",
    )
    command.add_argument(
        "--clock",
        choices=("real", "virtual"),
        default="real",
        help="virtual begins at the machine's time and stands until the control API turns it; default real",
    )
    command.add_argument(
        "--profile",
        choices=("documented", "observed", "strict"),
        help="how APNs behaves where Apple publishes no numbers",
    )
    command.add_argument("--state", type=Path, metavar="FILE", help="keys, apps, tokens: kept in this file")
    command.add_argument("--faults", type=Path, metavar="FILE", help="a JSON list of fault rules")
    command.add_argument("--sink", action="store_true", help="200 for everything, unread: for load tests")
    command.add_argument(
        "--folder", type=Path, default=Path("apns-sandbox"), metavar="DIR", help="gets CA and key file"
    )
    command.add_argument(
        "--bundle-id",
        default="com.example.app",
        metavar="ID",
        help="of the app on the phone; default com.example.app",
    )
    command.add_argument(
        "--team-id", default="SANDBOXDEV", metavar="ID", help="of the app and of the key; default SANDBOXDEV"
    )
    command.add_argument(
        "--key",
        type=Path,
        metavar="FILE.p8",
        help="a private key of your own; default one that is the same at each start",
    )
    command.add_argument(
        "--key-id",
        metavar="ID",
        help="of the key; default that in the name AuthKey_ID.p8 of --key, else SANDBOXKEY",
    )
    command.add_argument(
        "--token",
        type=_token,
        action="append",
        default=[],
        dest="tokens",
        metavar="[KIND=]HEX",
        help="a device token of your own for the app on the phone; KIND is alert (default), voip, push-to-start or widgets; repeatable",
    )
    command.add_argument(
        "--proxy-port",
        type=_port,
        metavar="N",
        help="an HTTP CONNECT proxy that leads Apple's host names here, for clients whose hosts are built in; default none",
    )
    command.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where APNs listens; default 127.0.0.1, this machine only. The control API never leaves it",
    )
    command.add_argument(
        "--san",
        action="append",
        default=[],
        metavar="NAME",
        help="a further host name or address that the certificate is good for; repeatable",
    )
    command.add_argument(
        "--ready-file",
        type=Path,
        metavar="FILE",
        help="written when all ports listen, with what --json prints; removed at the end",
    )
    command.add_argument(
        "--json", action="store_true", help="print one JSON object on one line, and nothing else"
    )
    command.set_defaults(command="apns", parser=command)


def _add_push(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "file",
        nargs="?",
        metavar="FILE.apns",
        help="a payload as Xcode's `simctl push` takes it; - for standard input",
    )
    add("--title", metavar="TEXT", help="of an alert, or of the session on a card")
    add("--body", metavar="TEXT", help="of an alert, or the newest text on a card")
    add(
        "--card",
        choices=("start", "update", "end"),
        help="a Live Activity: start one, update or end the newest",
    )
    add("--status", choices=("working", "retry", "permission", "complete", "error"), help="on the card")
    add("--attributes-type", metavar="NAME", help="the Swift type of a card of your own app")
    add("--attributes", type=_json_object, metavar="JSON", help="of a card of your own app")
    add("--content-state", type=_json_object, metavar="JSON", help="of a card of your own app")
    add("--device", metavar="NAME", help="which phone; default the first")
    add("--token", metavar="HEX", help="default the phone's token for this type of push")
    add("--topic", metavar="TOPIC", help="default the app's bundle id, with the suffix of the type")
    add("--push-type", metavar="TYPE", help="default what the payload is")
    add("--priority", type=int, choices=(10, 5, 1), help="default 10, of a background push 5")
    add("--collapse-id", metavar="ID", help="replaces what was shown under the same")
    add(
        "--expiration",
        type=int,
        metavar="SECONDS",
        help="UNIX time until which APNs keeps it; 0: one attempt",
    )
    add("--ready-file", type=Path, metavar="FILE", help="of the sandbox that is meant")
    add(
        "--control",
        default="http://127.0.0.1:8901/control",
        metavar="URL",
        help="its control API; default %(default)s",
    )
    add("--json", action="store_true", help="one JSON object on one line")
    command.set_defaults(command="push", parser=command)


KINDS = ("alert", "voip", "push-to-start", "widgets")


def _token(text: str) -> tuple[str, str]:
    kind, _, token = text.rpartition("=")
    if (kind or "alert") not in KINDS:
        raise argparse.ArgumentTypeError(
            f"{kind!r} is no kind of device token: it is one of {', '.join(KINDS)}"
        )
    return kind or "alert", token


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f'{text!r} is no JSON object, like {{"status": "working"}}')
    return found


def _add_opencode(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--generation", choices=("1", "2", "both"), default="1",
        help="of the server: default 1; 2 is what is installed since September 2026; both are two servers",
    )  # fmt: skip
    command.add_argument(
        "--flavour", choices=("beta", "2.0", "2.1"),
        help="which version of generation 2: its names, what it lacks; default 2.1",
    )  # fmt: skip
    mode = command.add_mutually_exclusive_group()
    mode.add_argument(
        "--managed", action="store_true", help="generation 2 as its background service, on port 49374"
    )
    mode.add_argument(
        "--foreground", action="store_false", dest="managed", help="as `opencode serve`; the default"
    )
    command.add_argument(
        "--service-file", nargs="?", const="", metavar="FILE",
        help="a managed server registers in FILE, or in $XDG_STATE_HOME/opencode/service.json, where clients find it",
    )  # fmt: skip
    command.add_argument(
        "--port", type=_port, metavar="N", help="default 4096; generation 2 beside 1 has the next one"
    )
    command.add_argument(
        "--sessions", type=_count, default=0, metavar="N", help="that work on their own; default none"
    )
    command.add_argument("--rate", type=_speed, default=20.0, metavar="N", help="tokens a second; default 20")
    command.add_argument("--scenario", default="mixed", metavar="NAME", help="what they do; default mixed")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed, the same work")
    command.add_argument(
        "--turns", type=_count, metavar="N", help="of each session; default until it is stopped"
    )
    command.add_argument(
        "--pause", type=_seconds, default=5.0, metavar="SECONDS", help="between turns; default 5"
    )
    command.add_argument(
        "--password",
        metavar="P",
        help="asked for by HTTP Basic; default none; of generation 2 OPENCODE_PASSWORD, else a random one, printed",
    )
    command.add_argument(
        "--username", default="opencode", metavar="U", help="of generation 1; default opencode"
    )
    command.add_argument("--directory", default="/code/demo", metavar="DIR", help="of the sessions")
    command.set_defaults(command="opencode", parser=command)


_port = number(int, lambda port: 0 <= port <= 65535, "a port: a number from 0 (any free one) to 65535")
_count = number(int, lambda count: count >= 0, "a number from 0 on")
_seconds = number(float, lambda seconds: 0 <= seconds < inf, "a number of seconds from 0 on")
_speed = number(float, lambda speed: 0 < speed <= 1000, "a number above 0 and at most 1000")
