"""The bridge asks the relay through HTTPS_PROXY and its kin, and OpenCode never (appleboy/gorush#108)."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_relay import FakeRelay
from component.bridge.outgoing import event
from component.bridge.running import SECRET, Stage
from http_proxy import HttpProxy
from relay.bridge.address import address
from relay.bridge.errors import OptionError, Unreachable
from relay.bridge.notify.relay_client import PostResult, RelayClient, relay_proxy
from relay.bridge.sources.probe import find_source
from relay.proxy import Proxy
from waiting import eventually

USER = Proxy("", 0, username="relay", password="hunter2")


@pytest.fixture
async def proxy() -> AsyncIterator[HttpProxy]:
    async with HttpProxy(authorization=USER.authorization).listening() as running:
        yield running


def variables(proxy: HttpProxy, *names: str, user: str = "relay:hunter2@") -> dict[str, str]:
    return dict.fromkeys(names, f"http://{user}127.0.0.1:{proxy.port}")


async def post(http: aiohttp.ClientSession, url: str, environment: dict[str, str]) -> PostResult:
    return await RelayClient(http, url, proxy=relay_proxy(url, environment)).post(event("ses_a", 1))


async def test_an_event_arrives_through_it(
    http: aiohttp.ClientSession, fake_relay: FakeRelay, proxy: HttpProxy
) -> None:
    proxy.hosts["relay.example"] = fake_relay.port
    result = await post(http, "http://relay.example", variables(proxy, "HTTP_PROXY"))
    assert (result.verdict, len(fake_relay.posted)) == ("delivered", 1)
    assert proxy.targets == ["http://relay.example/v1/event"]


async def test_over_tls_it_sees_only_the_name(
    http: aiohttp.ClientSession, fake_relay: FakeRelay, proxy: HttpProxy
) -> None:
    proxy.hosts["relay.example:443"] = fake_relay.port  # where nobody speaks TLS
    result = await post(http, "https://relay.example", variables(proxy, "HTTPS_PROXY"))
    assert (result.verdict, proxy.targets) == ("retry", ["relay.example:443"])
    assert SECRET not in proxy.asked[0]
    assert fake_relay.posted == []


async def test_what_goes_wrong_with_it_is_said_in_words_and_without_its_password(
    http: aiohttp.ClientSession, proxy: HttpProxy
) -> None:
    said = []
    for url in ("http://relay.example", "https://relay.example"):
        result = await post(http, url, variables(proxy, "ALL_PROXY", user="relay:hunter3@"))
        said.append(result.reason)
    gone = {"HTTPS_PROXY": "http://relay:hunter3@127.0.0.1:9"}
    said.append((await post(http, "https://relay.example", gone)).reason)
    proxy.answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    said.append((await post(http, "https://relay.example", variables(proxy, "ALL_PROXY"))).reason)
    assert said == [
        *["the proxy wants another user name or password (407)"] * 2,
        "the proxy: nothing listens there",
        "the proxy refuses it (403)",
    ]


async def test_neither_a_loopback_relay_nor_opencode_is_asked_through_it(
    stage: Stage, http: aiohttp.ClientSession, proxy: HttpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    for name, value in variables(proxy, *names).items():
        monkeypatch.setenv(name, value)
    async with stage.running(password="opencodes-password"):
        stage.opencode.turn("ses_a")
        await eventually(lambda: stage.relay.posted)
    with pytest.raises(Unreachable):
        await find_source(http, address("http://opencode.invalid", password="opencodes-password"))
    assert proxy.asked == []


async def test_the_whole_bridge_takes_it_from_its_environment(
    stage: Stage, proxy: HttpProxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("HTTPS_PROXY", variables(proxy, "HTTPS_PROXY")["HTTPS_PROXY"])
    async with stage.running(relay_url="https://relay.example", drain_seconds=0.1):
        stage.opencode.turn("ses_a")
        await eventually(lambda: proxy.asked)
    assert set(proxy.targets) == {"relay.example:443"}
    assert "hunter2" not in caplog.text
    assert USER.authorization not in caplog.text


async def test_a_variable_that_names_none_ends_the_bridge_with_a_sentence(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://relay:hunter2@127.0.0.1:1080")
    with pytest.raises(OptionError, match="HTTPS_PROXY must be http://") as caught:
        async with stage.running(relay_url="https://relay.example", connect=False) as bridge:
            await bridge.stop()
    assert "hunter2" not in str(caught.value)


def test_opencode_has_no_arguments_of_a_proxy(fake_opencode: FakeOpenCode) -> None:
    assert relay_proxy(fake_opencode.url, {"HTTP_PROXY": "http://proxy.example"}) is None
