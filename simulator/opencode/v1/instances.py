"""The instances of a server: one for each directory that a request named, with the burst of events of its start. No I/O."""

import hashlib

from simulator.opencode.v1.beat import Beat, Event, Steps

TO_BURST = 0.5
"""Seconds from the first request that names a directory to the burst, as recorded."""

_FIRST_PLUGINS = (
    "core/config-reference agent command skill models-dev config-agent config-command config-skill alibaba amazon-bedrock "
    "anthropic azure-cognitive-services azure cerebras cloudflare-ai-gateway cloudflare-workers-ai cohere deepinfra gateway "
    "github-copilot gitlab google google-vertex-anthropic google-vertex groq kilo llmgateway mistral nvidia opencode "
    "snowflake-cortex openai-compatible openai openrouter perplexity sap-ai-core togetherai"
)
_LAST_PLUGINS = "vercel venice xai zenmux dynamic-provider config-plugin config-provider variant"


def burst() -> Steps:
    """What an instance tells when it has started: some fifty events of no session."""
    yield Beat(pause=TO_BURST)
    yield Beat(
        (*map(_plugin, _FIRST_PLUGINS.split()), ("catalog.updated", {}), *map(_plugin, _LAST_PLUGINS.split()))
    )
    yield Beat((("reference.updated", {}), ("integration.updated", {}), ("catalog.updated", {})))


def project(directory: str, now_ms: int) -> Event:
    """`project.updated`, told for the whole server when an instance starts. A project is named like a commit."""
    time = {"created": now_ms, "updated": now_ms}
    project_id = hashlib.sha256(directory.encode()).hexdigest()[:40]
    return "project.updated", {
        "id": project_id,
        "worktree": directory,
        "vcs": "git",
        "sandboxes": [],
        "time": time,
    }


def _plugin(name: str) -> Event:
    return "plugin.added", {"id": name}
