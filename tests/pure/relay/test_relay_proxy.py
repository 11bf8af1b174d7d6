"""Which proxy leads to a host: as curl documents the variables, and never to this machine itself."""

from typing import Any

import pytest

from relay.proxy import Proxy, ProxyError, is_loopback, proxy_for, read_proxy

P = Proxy("proxy.example", 3128)
HTTPS = {"HTTPS_PROXY": "http://proxy.example:3128"}
APNS = "https://api.push.apple.com:443"

READ: dict[str, Proxy | None] = {
    "": None,
    "  ": None,
    "undefined": None,
    "http://proxy.example:3128": P,
    "http://proxy.example:3128/": P,
    "proxy.example:3128": P,
    "http://proxy.example": Proxy("proxy.example", 80),
    "https://proxy.example": Proxy("proxy.example", 443, tls=True),
    "http://[::1]:3128": Proxy("::1", 3128),
    "http://me:p%40ss%3A@proxy.example:3128": Proxy("proxy.example", 3128, username="me", password="p@ss:"),
    "me:pass@proxy.example:3128": Proxy("proxy.example", 3128, username="me", password="pass"),
}


@pytest.mark.parametrize("text", READ)
def test_what_names_a_proxy(text: str) -> None:
    assert read_proxy(text) == READ[text]


@pytest.mark.parametrize(
    "text",
    [
        "socks5://me:hunter2@proxy.example:1080", "http://", "http://me:hunter2@", "http://proxy:hunter2", "http://proxy:0",
        "http://me:hun#ter2@proxy.example", "http://a hunter2:1", "http://[::1", "ftp://proxy.example",
    ],
)  # fmt: skip
def test_what_names_none_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ProxyError, match=r"^HTTPS_PROXY must be http://HOST:PORT of an HTTP proxy") as caught:
        proxy_for(APNS, {"HTTPS_PROXY": text})
    assert "hunter2" not in str(caught.value)


def test_user_and_password_show_nowhere() -> None:
    proxy = Proxy("::1", 3128, username="aladdin", password="opensesame")
    assert proxy.authorization == "Basic YWxhZGRpbjpvcGVuc2VzYW1l"  # RFC 7617
    assert str(proxy) == "[::1]:3128"
    assert proxy.url == "http://[::1]:3128"
    assert "opensesame" not in repr(proxy) + str(proxy) + proxy.url
    assert P.authorization == ""


OTHER = "http://other.example:8080"
FOUND: list[tuple[str, dict[str, str], bool]] = [
    (APNS, {}, False),
    (APNS, HTTPS, True),
    (APNS, {"https_proxy": HTTPS["HTTPS_PROXY"], "HTTPS_PROXY": OTHER}, True),  # the small one goes before
    (APNS, {"ALL_PROXY": HTTPS["HTTPS_PROXY"]}, True),
    (APNS, {"HTTP_PROXY": HTTPS["HTTPS_PROXY"]}, False),
    ("http://relay.example", {"HTTP_PROXY": HTTPS["HTTPS_PROXY"], "HTTPS_PROXY": OTHER}, True),
    ("http://relay.example", HTTPS, False),
    *((APNS, HTTPS | {"NO_PROXY": listed}, False) for listed in (
        "*", "apple.com", ".apple.com", "*.apple.com", "push.apple.com", "api.push.apple.com", "API.Push.Apple.COM",
        "a.example, api.push.apple.com", "a.example apple.com", "api.push.apple.com:443",
    )),
    *((APNS, HTTPS | {"NO_PROXY": listed}, True) for listed in (
        "", "pple.com", "sandbox.push.apple.com", "api.push.apple.com:2197", "10.0.0.0/8", ",", ".", "*.",
    )),
    ("https://10.1.2.3", HTTPS | {"no_proxy": "10.0.0.0/8"}, False),
    ("https://10.1.2.3:8443", HTTPS | {"no_proxy": "10.1.2.3:8443"}, False),
    ("https://[2001:db8::1]", HTTPS | {"NO_PROXY": "2001:db8::/32"}, False),
    ("https://[2001:db8::1]:2197", HTTPS | {"NO_PROXY": "[2001:db8::1]:2197"}, False),
    ("https://11.1.2.3", HTTPS | {"no_proxy": "10.0.0.0/8"}, True),
]  # fmt: skip


@pytest.mark.parametrize(("url", "environment", "through"), FOUND)
def test_the_way_to_a_host(url: str, environment: dict[str, str], through: bool) -> None:
    assert proxy_for(url, environment) == (P if through else None)


LOOPBACK = (
    "127.0.0.1",
    "127.9.8.7",
    "localhost",
    "LOCALHOST.",
    "relay.localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
)


@pytest.mark.parametrize("host", LOOPBACK)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY", "http_proxy"])
def test_no_proxy_leads_to_this_machine(host: str, name: str) -> None:
    assert is_loopback(host)
    for scheme in ("http", "https"):
        assert proxy_for(f"{scheme}://{host}:4096", {name: HTTPS["HTTPS_PROXY"]}) is None


@pytest.mark.parametrize("host", ["128.0.0.1", "localhost.example", "notlocalhost", "[::2]", "10.0.0.1"])
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("environment", "expected"), [(HTTPS, True), ({}, True), ({"NO_PROXY": "apple.com"}, False)]
)
def test_a_proxy_of_its_own_goes_before_all_but_no_proxy(environment: dict[str, str], expected: Any) -> None:
    own = Proxy("own.example", 1)
    assert proxy_for(APNS, environment, own) == (own if expected else None)
    assert proxy_for("https://127.0.0.1:2197", environment, own) == own  # who sets it for APNs alone means it
