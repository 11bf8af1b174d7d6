"""The fake OpenCode 2 server over a real socket: who may ask, what it says of itself, where it registers, how it ends."""

import json
import socket
import stat
from base64 import b64encode
from pathlib import Path

import pytest

from component.opencode.conftest import PASSWORD, credentials
from simulator.loopback import HOST, Listener
from simulator.opencode.v2.access import CODE_LIVES, TOKEN_LIVES
from simulator.opencode.v2.server import OpenCode2Server
from simulator.opencode.v2.service_file import ServiceFile, config_home, service_password, state_home

UNAUTHORIZED = {"_tag": "UnauthorizedError", "message": "Authentication required"}
CHALLENGE = 'Basic realm="Secure Area"'
TOKEN = b64encode(f"opencode:{PASSWORD}".encode()).decode()


async def served(http, clock, journal, method: str, path: str, headers: dict[str, str], **options):
    """What a server of its own answers: status, headers, and JSON or text; a body of none is ""."""
    readiness = options.pop("readiness", "ready")
    empty_401 = options.pop("empty_401", False)
    server = OpenCode2Server(clock, journal, password=PASSWORD, **options)
    server.service.readiness, server.service.empty_401 = readiness, empty_401
    await server.start()
    try:
        async with http.request(
            method, server.url + path, headers=headers, allow_redirects=False
        ) as response:
            is_json = response.content_type == "application/json"
            body = await response.json() if is_json else await response.text()
            return response.status, response.headers, body
    finally:
        await server.close()


@pytest.fixture
def reply(http, clock, journal):
    async def ask(method: str, path: str, headers: dict[str, str], **options):
        return await served(http, clock, journal, method, path, headers, **options)

    return ask


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (credentials(), 200),
        (credentials(password="wrong"), 401),
        (credentials(user="someone"), 401),
        ({"Authorization": "Basic " + b64encode(f"opencode:{PASSWORD}".encode("latin-1")).decode()}, 401),
        ({"Authorization": "Basic nonsense!"}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 401),
    ],
    ids=["none", "right", "wrong password", "wrong user", "Latin-1", "no base64", "no Basic"],
)
@pytest.mark.parametrize("path", ["/api/info", "/api/event", "/api/session", "/openapi.json"])
async def test_the_password(reply, path, headers, status) -> None:
    if path == "/api/event" and status == 200:
        return  # test_opencode2_streams reads it
    given, said, body = await reply("GET", path, headers)
    assert given == status
    if status == 401:
        assert (body, said["WWW-Authenticate"]) == (UNAUTHORIZED, CHALLENGE)


async def test_the_password_in_the_query(reply) -> None:
    for token, status in [(TOKEN, 200), ("nonsense", 401)]:
        assert (await reply("GET", f"/api/info?auth_token={token}", {}))[0] == status


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [({}, CHALLENGE), ({"sec-fetch-mode": "navigate"}, CHALLENGE), ({"sec-fetch-mode": "cors"}, None)],
)
async def test_a_script_of_a_page_gets_no_challenge(reply, headers, challenge) -> None:
    assert (await reply("GET", "/api/info", headers))[1].get("WWW-Authenticate") == challenge


async def test_older_versions_refuse_without_a_body(reply) -> None:
    for options in ({"empty_401": True}, {"flavour": "beta"}):
        status, headers, body = await reply("GET", "/api/session", {}, **options)
        assert (status, body, headers["WWW-Authenticate"]) == (401, "", CHALLENGE)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "kind"),
    [
        ("GET", "/", {}, 200, "text/html"),
        ("GET", "/global/health", {}, 200, "text/html"),
        ("GET", "/session", {}, 200, "text/html"),
        ("POST", "/session", {}, 405, None),
        ("POST", "/permission/per_1/reply", {}, 405, None),
        ("GET", "/api/unknown", credentials(), 404, None),
        ("GET", "/api", credentials(), 404, None),
        ("POST", "/api/unknown", credentials(), 404, None),
        ("GET", "/api/unknown", {}, 401, "application/json"),
        ("GET", "/api/health", credentials(), 404, None),
        ("GET", "/api/status", credentials(), 404, None),
        ("GET", "/api/form/request", credentials(), 404, None),
    ],
)
async def test_what_is_no_route(reply, method, path, headers, status, kind) -> None:
    """The web app answers every unknown GET without a password: a client must look at the type."""
    given, said, body = await reply(method, path, headers)
    assert (given, said.get("Content-Type", "").partition(";")[0] or None) == (status, kind)
    if kind == "text/html":
        assert body.startswith("<!doctype html>")


async def test_in_the_beta_everything_needs_the_password_and_there_is_no_web_app(reply) -> None:
    assert (await reply("GET", "/", {}, flavour="beta"))[0] == 401
    for method, path in [("GET", "/global/health"), ("POST", "/session"), ("POST", "/api/pair")]:
        status, _, body = await reply(method, path, credentials(), flavour="beta")
        assert (status, body) == (404, "")


@pytest.mark.parametrize(
    ("options", "path", "version"),
    [
        ({}, "/api/info", "2.1.2"),
        ({"flavour": "2.0"}, "/api/info", "2.0.22"),
        ({"flavour": "2.0", "version": "2.0.6"}, "/api/info", "2.0.6"),
        ({"flavour": "2.0", "version": "2.0.5"}, "/api/status", "2.0.5"),
        ({"flavour": "2.0", "version": "2.0.4"}, "/api/status", "2.0.4"),
        ({"flavour": "2.0", "version": "2.0.3"}, "/api/health", "2.0.3"),
        ({"flavour": "beta"}, "/api/health", "0.0.0-next-202608070013"),
    ],
)
async def test_where_it_names_its_version(reply, options, path, version) -> None:
    for route in ("/api/info", "/api/status", "/api/health"):
        status, _, body = await reply("GET", route, credentials(), **options)
        assert (status == 200) == (route == path)
        if status == 200:
            assert body["version"] == version
            assert body.get("healthy") == (None if path == "/api/info" else True)


async def test_what_info_says(ask2, server2) -> None:
    assert await ask2("GET", "/api/info") == (
        200,
        {
            "version": "2.1.2",
            "pid": server2.pid,
            "urls": [server2.url],
            "paths": {"tmp": "/tmp"},
            "capabilities": {"persistentPty": True},
        },
    )


@pytest.mark.parametrize(
    ("readiness", "status", "body"),
    [
        ("starting", 503, {"code": "service_starting"}),
        ("stopping", 503, {"code": "service_stopping"}),
        (
            "failed",
            500,
            {"code": "service_failed", "message": "The service failed to start", "action": "restart"},
        ),
    ],
)
async def test_a_server_that_is_not_ready(reply, readiness, status, body) -> None:
    given, _, info = await reply("GET", "/api/info", credentials(), readiness=readiness)
    assert (given, info["version"]) == (status, "2.1.2")
    for path in ("/api/session/active", "/api/event", "/"):
        given, headers, said = await reply("GET", path, credentials(), readiness=readiness)
        assert (given, said, headers["Retry-After"]) == (503, body, "1")


async def test_pairing(ask2, server2, http, clock) -> None:
    _, paired = await ask2("POST", "/api/pair")
    assert paired["expires_in"] == CODE_LIVES
    link = f"{server2.url}/auth/connect/{paired['code']}"
    async with http.get(link, headers={"Accept": "application/json"}) as response:
        token = (await response.json())["token"]
    async with http.get(link, headers={"Accept": "application/json"}) as response:
        assert (response.status, await response.json()) == (401, UNAUTHORIZED)
    given = credentials(password=token)
    assert (await ask2("GET", "/api/info", **given))[0] == 200
    assert (await ask2("POST", "/api/pair", **given))[0] == 200
    await clock.advance(TOKEN_LIVES)
    assert (await ask2("GET", "/api/info", **given))[0] == 401
    assert (await ask2("GET", "/api/info", **credentials(password=f"9{token}")))[0] == 401


async def test_a_code_lives_five_minutes(ask2, server2, http, clock) -> None:
    _, paired = await ask2("POST", "/api/pair")
    await clock.advance(CODE_LIVES)
    async with http.get(f"{server2.url}/auth/connect/{paired['code']}") as response:
        assert response.status == 401


async def test_another_password_revokes_all_tokens(server2) -> None:
    token = server2.access.token(server2.access.pair())
    assert server2.access.admits(token)
    server2.access.password = "another"
    assert not server2.access.admits(token)


async def test_a_browser_gets_a_cookie(ask2, server2, http) -> None:
    _, paired = await ask2("POST", "/api/pair")
    link = f"{server2.url}/auth/connect/{paired['code']}"
    async with http.get(link, headers={"Accept": "text/html"}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/")
        name, _, rest = response.headers["Set-Cookie"].partition("=")
        assert name == f"opencode_session_{server2.port}"
        assert "HttpOnly" in rest
    cookie = {"Cookie": f"{name}={rest.partition(';')[0]}"}
    async with http.get(f"{server2.url}/api/info", headers=cookie) as response:
        assert response.status == 200


@pytest.fixture
async def service(clock, journal, tmp_path):
    path = tmp_path / "state" / "opencode" / "service.json"
    server = OpenCode2Server(clock, journal, password=PASSWORD, service_file=path)
    await server.start()
    yield server, path
    await server.close()


async def test_the_service_registers_for_its_owner_alone(service) -> None:
    server, path = service
    said = json.loads(path.read_text("utf-8"))
    assert said == {
        "id": said["id"],
        "version": "2.1.2",
        "url": server.url,
        "pid": server.pid,
        "password": PASSWORD,
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["service.json"]


async def test_an_orderly_stop_takes_the_registration_away(service) -> None:
    server, path = service
    await server.close()
    assert not path.exists()
    await server.close()  # nothing to stop any more


async def test_a_kill_leaves_it_behind_and_the_next_start_writes_another(service) -> None:
    server, path = service
    left = json.loads(path.read_text("utf-8"))
    await server.cut()
    assert json.loads(path.read_text("utf-8")) == left
    await server.start(version="2.2.0")
    said = json.loads(path.read_text("utf-8"))
    assert (said["url"], said["version"], said["password"]) == (left["url"], "2.2.0", PASSWORD)
    assert said["pid"] == left["pid"] + 1
    assert said["id"] != left["id"]


async def test_removing_what_is_gone_is_no_fault(tmp_path) -> None:
    ServiceFile(tmp_path / "service.json").remove()


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/me"}, "/state/opencode/service.json"),
        ({"HOME": "/home/me"}, "/home/me/.local/state/opencode/service.json"),
    ],
)
def test_where_the_service_registers(environment, path) -> None:
    assert state_home(environment) == Path(path)
    assert config_home({"XDG_CONFIG_HOME": "/config"}) == Path("/config/opencode/service.json")


def test_the_password_of_a_service_is_made_once(tmp_path) -> None:
    config = tmp_path / "config" / "opencode" / "service.json"
    made = service_password(config)
    assert len(made) == 43
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert service_password(config) == made
    config.write_text(json.dumps({"port": 5000}))
    assert service_password(config) != made
    assert json.loads(config.read_text())["port"] == 5000


def test_an_answer_in_two_parts_waits_for_no_acknowledgement() -> None:
    """Else each costs 40 ms: Hypercorn writes head and body apart."""
    with Listener.open(0) as listener, socket.create_connection((HOST, listener.port)):
        listener.setblocking(True)
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_it_starts_once(server2) -> None:
    with pytest.raises(RuntimeError, match="listens already"):
        await server2.start()
    await server2.cut()
    with pytest.raises(RuntimeError, match="does not run"):
        await server2.cut()


async def test_what_a_restart_keeps_and_forgets(server2, ask2) -> None:
    session_id = server2.api.create({"location": {"directory": "/code/demo"}})["id"]
    server2.api.prompt(session_id, {"text": "hello"})
    server2.api.ask_permission(session_id, {"action": "shell", "resources": ["ls"]})
    server2.process.publish("session.execution.started", {"sessionID": session_id})
    pid = server2.pid
    await server2.cut()
    await server2.start()
    assert server2.pid == pid + 1
    assert await ask2("GET", "/api/session/active") == (200, {"data": {}})
    assert await ask2("GET", f"/api/session/{session_id}/permission") == (200, {"data": []})
    assert await ask2("GET", "/api/debug/location") == (200, [])
    assert len((await ask2("GET", f"/api/session/{session_id}/inbox"))[1]["data"]) == 1
    server2.api.rename(session_id, "again")
    assert server2.process.state.sequences[session_id] == 3
