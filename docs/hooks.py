"""Hooks of mkdocs: the tables that come from the code, the README as the first page, the notebooks as the manual.

A page asks for a table with a comment, `<!-- generated: settings -->`; a comma joins commands, and `relay pair beyond relay bridge`
leaves out what the second command has, too. README and pages link to each
other and to notebooks as files of the repository, so that the links work there too; here they become links of the site.
"""

import argparse
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from relay.__main__ import _parser as relay_parser
from relay.server.metrics import SERIES
from relay.server.routes.table import ROUTES as RELAY_ROUTES
from relay.server.settings import VARIABLES
from simulator.apns.checks import CHECKS
from simulator.apns.faults import load as load_faults
from simulator.apns.profile import explain
from simulator.arguments import parser_of_simulator as simulator_parser
from simulator.conform.providers.cases import CASES as PROVIDER_CASES
from simulator.lab.control.table import ROUTES
from simulator.phone.settings import SETTINGS

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"


def _table(head: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a line break or bar in a cell would end it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in line)} |"
        for line in lines
    )


def settings() -> str:
    """Every variable of the relay with its default."""
    rows = [
        (f"`{name}`", "required" if one.default is None else one.default or "empty", one.about)
        for name, one in VARIABLES.items()
    ]
    return _table(("Variable", "Default", ""), rows)


def options(command: str) -> str:
    """The options of `relay bridge`, `simulator apns` and so on, as their `--help` has them."""
    command, _, known = command.partition(" beyond ")
    left_out = {_words(one) for one in _actions(known)} if known else set()
    rows = [(words, _help(one)) for one in _actions(command) if (words := _words(one)) not in left_out]
    return _table((f"`{command}`", ""), rows)


def _actions(command: str) -> list[argparse.Action]:
    program, name = command.split()
    parser = (relay_parser(lambda _: None) if program == "relay" else simulator_parser())._subparsers
    assert parser is not None
    choices = parser._group_actions[0].choices
    assert isinstance(choices, dict)
    return [one for one in choices[name]._actions if not isinstance(one, argparse._HelpAction)]


def _words(action: argparse.Action) -> str:
    value = action.metavar or (
        f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper()
    )
    if not action.option_strings:
        return f"`{value}`"
    return ", ".join(
        f"`{word}`" if action.nargs == 0 else f"`{word} {value}`" for word in action.option_strings
    )


def _help(action: argparse.Action) -> str:
    default = str(action.default).replace(str(Path.home()), "~")
    return (action.help or "").replace("%(default)s", default).replace("%%", "%")


def _fields(kind: Any) -> str:
    """The wire names of a message's fields; `?` marks one that may be left out."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return "" if kind is None else "an object"
    fields = msgspec.structs.fields(kind)
    return ", ".join(f"`{one.encode_name}`{'' if one.required else '?'}" for one in fields)


def metrics() -> str:
    """Every series of /metrics."""
    rows = [
        (f"`{name}`", "gauge" if one.kind == "info" else one.kind, ", ".join(one.labels), one.about)
        for name, one in SERIES.items()
    ]
    return _table(("Series", "Type", "Labels", ""), rows)


def relay_routes() -> str:
    """The relay's routes with the fields of body and reply."""
    rows = [(f"`{one.method} {one.path}`", _fields(one.body), _fields(one.reply)) for one in RELAY_ROUTES]
    return _table(("Route", "Body", "Reply"), rows)


def control_routes() -> str:
    """The sandbox's control routes, their summaries, and the fields of body and query."""
    rows = [
        (f"`{one.method} {one.path}`", one.summary, _fields(one.body) or _fields(one.query)) for one in ROUTES
    ]
    return _table(("Route", "", "Body, query"), rows)


def phone_settings() -> str:
    """What a person can do to the simulated phone."""
    return _table(("Key", "Value"), [(f"`{key}`", one.wanted) for key, one in SETTINGS.items()])


def fault_rules() -> str:
    """The grammar of a fault rule, as the module that reads them documents it."""
    text = inspect.getdoc(sys.modules[load_faults.__module__]) or ""
    return text.split("\n", 1)[1].strip("\n")


def apns_profile() -> str:
    """The adjustable values of the sandbox, each with its source and how sure it is."""
    rows = [
        (f"`{knob.name}`", f"`{json.dumps(knob.default)}`", knob.meaning, knob.source, knob.confidence)
        for knob in explain()
    ]
    return _table(("Value", "Default", "", "Source", ""), rows)


def apns_checks() -> str:
    """What the sandbox checks in a push, in order, with the reason it answers, the source and how sure that is."""
    rows = [(check.name, f"`{check.reason}`", check.source, check.confidence) for check in CHECKS]
    return _table(("Check", "Reason", "Source", ""), rows)


def provider_cases() -> str:
    """What `simulator conform --provider` puts a provider through, and who says what a sound one makes of it."""
    return _table(("Case", "", "Source"), [(case.name, case.about, case.source) for case in PROVIDER_CASES])


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "metrics": metrics,
    "relay routes": relay_routes,
    "control routes": control_routes,
    "phone settings": phone_settings,
    "fault rules": fault_rules,
    "apns profile": apns_profile,
    "apns checks": apns_checks,
    "provider cases": provider_cases,
}


def expand(markdown: str) -> str:
    """The page with its tables in their places."""

    def table(match: re.Match[str]) -> str:
        names = match[1].split(", ")
        return "\n\n".join(TABLES[name]() if name in TABLES else options(name) for name in names)

    return re.sub(r"<!-- generated: (.*?) -->", table, markdown)


@event_priority(100)  # before mkdocs-jupyter, which turns the notebooks among the files into pages
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """README and changelog as pages; notebooks and their pictures beside them."""
    for name, source in (("index.md", "README.md"), ("changelog.md", "CHANGELOG.md")):
        files.append(File.generated(config, name, content=(ROOT / source).read_text()))
    for path in sorted([*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("pictures/*.svg")]):
        files.append(
            File(path.relative_to(ROOT).as_posix(), str(ROOT), config.site_dir, config.use_directory_urls)
        )
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Tables in, and links of the repository turned into links of the site."""
    links = (("(docs/)", "(develop.md)"), ("(docs/", "("), ("(CHANGELOG.md", "(changelog.md"))
    for old, new in (*links, ("(../notebooks/", "(notebooks/")):
        markdown = markdown.replace(f"]{old}", f"]{new}")
    return expand(markdown)


def on_page_content(html: str, **_: object) -> str:
    """A notebook's link to the next notebook leads to its page; nbconvert's loader of diagrams, which none has, goes."""
    html = re.sub(r'(href="[\w./-]+)\.ipynb"', r'\1.html"', html)
    return re.sub(r'<script type="module">(?:(?!</script>).)*mermaid.*?</script>', "", html, flags=re.DOTALL)


def on_post_page(output: str, page: Page, **_: object) -> str:
    """Raises PluginError where a page would load something from elsewhere."""
    found = re.search(
        r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+stylesheet[^>]+"https?:|cdnjs', output
    )
    if found:
        raise PluginError(f"{page.url} loads something from elsewhere: {output[found.start() :][:120]}")
    return output
