"""The scripted model: what is beyond its scripts is a fault that no test overlooks."""

from typing import Any

import aiohttp

from live.provider import Provider, Say


async def status(provider: Provider, prompt: str) -> int:
    """What one model call with tools is answered."""
    tools = [{"type": "function", "function": {"name": "bash"}}]
    body: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}], "tools": tools}
    url = f"{provider.url}/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
        return answer.status


async def test_what_no_script_has_is_a_fault() -> None:
    async with Provider() as provider:
        provider.learn("Once", Say("Yes."))
        assert await status(provider, "Once") == 200
        assert provider.faults == []
        assert await status(provider, "Once") == 400
        assert await status(provider, "Never learnt") == 400
        assert provider.faults == ["'Once' has no step 2", "no script for ['Never learnt']"]
