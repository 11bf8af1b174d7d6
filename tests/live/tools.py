"""OpenCode's tools as a model calls them (their arguments as recorded on 1.18)."""

from live.provider import Call


def bash(command: str) -> Call:
    """A shell command, which needs a permission."""
    return Call("bash", {"command": command, "description": "Runs a command"})


def task(prompt: str) -> Call:
    """A job for a subagent: `prompt` is what it is told."""
    return Call("task", {"description": "a job", "prompt": prompt, "subagent_type": "general"})


def question(text: str, *labels: str) -> Call:
    """A question to the user with these options."""
    options = [{"label": label, "description": f"{label} it is"} for label in labels]
    asked = {"question": text, "header": "Question", "options": options, "multiple": False}
    return Call("question", {"questions": [asked]})


def shell(command: str) -> Call:
    """The same of OpenCode 2 (recorded)."""
    return Call("shell", {"command": command})


def subagent(prompt: str) -> Call:
    """A job for a subagent of OpenCode 2 (recorded)."""
    return Call("subagent", {"description": "a job", "prompt": prompt, "agent": "general"})
