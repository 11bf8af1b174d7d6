"""A model, and a person, that make things up: titles, directories, prompts, and scripts of every kind. Seeded."""

import random
from collections.abc import Callable
from dataclasses import replace

from faker import Faker

from simulator.opencode.prompt_language import parse
from simulator.opencode.script import (
    OVERFLOW,
    Call,
    Fail,
    Finish,
    Json,
    PermissionReply,
    Reaction,
    Say,
    Script,
    Tool,
    Use,
    fault,
)
from simulator.scenario import UnknownScenario

MIXED = "mixed"
_VOCABULARY = 500
_LENGTH = (20, 80)
_PATIENCE = (1.0, 6.0)
"""Seconds after which a made-up person answers."""
_DIRECTORIES = 5


class Writer:
    """The same seed gives the same texts and scripts, in the order of the calls. `rate` is in words a second.

    `scenario` is one of SCENARIOS, or "mixed" for all of those that need nobody to answer. Raises UnknownScenario.
    """

    def __init__(self, seed: int = 0, rate: float = 20.0, scenario: str = MIXED) -> None:
        if scenario not in names():
            raise UnknownScenario(f"no scenario is called {scenario!r}; there are {', '.join(names())}")
        if rate <= 0:
            raise ValueError(f"the rate must be above 0 words a second, not {rate:g}")
        self._scenario, self._gap = scenario, 1 / rate
        self.random = random.Random(seed)
        self._faker = Faker()
        self._faker.seed_instance(seed)
        self._vocabulary = self._faker.words(_VOCABULARY)
        self._directories = [f"/code/{self._faker.slug()}" for _ in range(_DIRECTORIES)]

    def react(self, prompt: str) -> Reaction:
        """What the model makes of a prompt: the script in it, or one of the scenario. Raises BadScript."""
        return Reaction(parse(prompt) or self.script(), self.title())

    def script(self) -> Script:
        """A script of the scenario."""
        kind = self.random.choice(UNATTENDED) if self._scenario == MIXED else self._scenario
        return SCENARIOS[kind](self)

    def title(self) -> str:
        """As the small model names a session."""
        return str(self._faker.catch_phrase())

    def directory(self) -> str:
        """One of a few projects of this writer."""
        return self.random.choice(self._directories)

    def prompt(self) -> str:
        """What a person asks for."""
        return str(self._faker.paragraph(nb_sentences=2))

    def say(self, finish: Finish = "stop") -> Say:
        """An answer of some sentences."""
        return Say(self._words(), self._gap, finish=finish)

    def think(self) -> Say:
        """An answer after some thought."""
        return replace(self.say(), thoughts=self._words())

    def bash(self, word: PermissionReply | None = None) -> Tool:
        """A command that prints some lines; with `word` somebody answers."""
        lines = [
            f"echo {name}" for name in self.random.choices(self._vocabulary, k=self.random.randint(1, 5))
        ]
        return self._tool("bash", {"command": "; ".join(lines), "description": "Prints some words"}, word)

    def write(self, word: PermissionReply | None = None) -> Tool:
        """A file that is written."""
        path = f"/code/demo/{self._faker.file_name(extension='py')}"
        return self._tool("write", {"filePath": path, "content": "".join(self._words()) + "\n"}, word)

    def fetch(self, word: PermissionReply | None = None) -> Tool:
        """A page that is read."""
        return self._tool("webfetch", {"url": self._faker.url(), "format": "text"}, word)

    def ask(self, answered: bool) -> Tool:
        """A question with some answers to choose from."""
        labels = self.random.sample(self._vocabulary, 3)
        question = {
            "question": f"{self._faker.sentence(nb_words=6).rstrip('.')}?",
            "header": labels[0].capitalize(),
            "options": [{"label": label, "description": self._faker.sentence()} for label in labels],
            "multiple": False,
        }
        asked = self._tool("question", {"questions": [question]}, None)
        return replace(asked, answers=((labels[-1],),)) if answered else asked

    def delegate(self, script: Script) -> Tool:
        """A subagent that works by a script of its own."""
        given = {"description": self.title(), "prompt": self.prompt(), "subagent_type": "general"}
        return replace(self._tool("task", given, None), script=script)

    def _tool(self, name: str, given: Json, word: PermissionReply | None) -> Tool:
        return Tool(name, given, word, after=self.random.uniform(*_PATIENCE))

    def _words(self) -> tuple[str, ...]:
        chosen = self.random.choices(self._vocabulary, k=self.random.randint(*_LENGTH))
        return tuple(f"{word} " for word in chosen)


def names() -> list[str]:
    """Every scenario, and "mixed"."""
    return [*SCENARIOS, MIXED]


def _script(*calls: Call) -> Script:
    return Script(calls)


def _aborted(writer: Writer) -> Script:
    return replace(_script(writer.say(), writer.say()), abort_after=writer.random.uniform(0.2, 1.0))


def _retried(writer: Writer) -> Script:
    times = writer.random.randint(1, 3)
    return _script(Fail(fault(writer.random.choice((429, 500, 503))), times), writer.say())


SCENARIOS: dict[str, Callable[[Writer], Script]] = {
    "text": lambda w: _script(w.say()),
    "reason": lambda w: _script(w.think()),
    "length": lambda w: _script(w.say("length")),
    "cut": lambda w: _script(w.say("unknown"), w.say()),
    "permission": lambda w: _script(Use((w.bash("once"),)), w.say()),
    "always": lambda w: _script(Use((w.bash("always"),)), Use((w.bash("always"),)), w.say()),
    "reject": lambda w: _script(Use((w.bash("reject"),))),
    "edit": lambda w: _script(Use((w.write("once"),)), w.say()),
    "fetch": lambda w: _script(Use((w.fetch("once"),)), w.say()),
    "parallel": lambda w: _script(Use((w.bash("once"), w.fetch("once"))), w.say()),
    "question": lambda w: _script(Use((w.ask(True),)), w.say()),
    "child": lambda w: _script(Use((w.delegate(_script(Use((w.bash("once"),)), w.say())),)), w.say()),
    "child_error": lambda w: _script(Use((w.delegate(_script(Fail(fault(401)))),)), w.say()),
    "error": lambda w: _script(Fail(fault(w.random.choice((400, 401, 403))))),
    "filter": lambda w: _script(w.say("content-filter")),
    "no_model": lambda _: _script(Fail(fault("no_model"))),
    "overflow": lambda w: _script(Fail(fault(OVERFLOW), 1), w.say()),
    "retry": _retried,
    "in_stream": lambda w: _script(Fail(fault("in_stream"), 1, said=w.say()), w.say()),
    "exhausted": lambda _: _script(Fail(fault(503))),
    "abort": _aborted,
    "permission_waits": lambda w: _script(Use((w.bash(),)), w.say()),
    "question_waits": lambda w: _script(Use((w.ask(False),)), w.say()),
}
"""What may become of a prompt, by the name of the scenario."""

UNATTENDED = tuple(name for name in SCENARIOS if not name.endswith("_waits"))
"""Those that end by themselves."""
