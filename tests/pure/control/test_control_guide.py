"""What `simulator apns` prints can be copied from, and its two lines can be pasted."""

import shlex
from pathlib import Path

import jwt
import pytest

from simulator.lab.device import DeviceSpec
from simulator.lab.guide import HOSTS, guide
from simulator.lab.lab import Lab

from .conftest import NOW, TOPIC

URL = "http://127.0.0.1:8901/control"


@pytest.fixture
def running(lab: Lab) -> Lab:
    """As if it listened."""
    lab.sandbox.ports.update({name: 2000 + place for place, name in enumerate(HOSTS)})
    lab.sandbox._ca_file = Path("/tmp/some folder/ca.pem")
    return lab


def _guide(lab: Lab) -> tuple[str, str]:
    key = lab.issue_key()
    return guide(lab, URL, Path(f"/tmp/AuthKey_{key.key_id}.p8")), key.key_id


def test_everything_a_provider_needs_is_there(running: Lab) -> None:
    device = running.add_device(DeviceSpec("iPhone", TOPIC))
    text, key_id = _guide(running)
    wanted = [
        key_id, f"AuthKey_{key_id}.p8", running.keys[key_id].team_id, TOPIC, URL, "some folder/ca.pem",
        *device.tokens.values(), *HOSTS.values(), *(f"127.0.0.1:{port}" for port in running.sandbox.ports.values()),
    ]  # fmt: skip
    assert [one for one in wanted if one not in text] == []
    assert "virtual time" in text.splitlines()[0]
    assert "PRIVATE KEY" not in text


def test_the_line_that_pushes(running: Lab) -> None:
    device = running.add_device(DeviceSpec("iPhone", TOPIC, "production"))
    text, key_id = _guide(running)
    words = shlex.split(next(line for line in text.splitlines() if line.startswith("curl --http2")))
    assert words[words.index("--cacert") + 1] == "/tmp/some folder/ca.pem"
    assert words[-1] == f"https://127.0.0.1:2001/3/device/{device.tokens['alert']}"
    bearer = next(word for word in words if word.startswith("authorization: bearer ")).rpartition(" ")[2]
    claims = jwt.decode(
        bearer,
        running.sandbox.registry.keys[key_id].public_key,
        algorithms=["ES256"],
        options={"verify_iat": False},
    )
    assert claims == {"iss": running.keys[key_id].team_id, "iat": int(NOW)}


def test_the_line_that_asks_quotes_the_name(running: Lab) -> None:
    running.add_device(DeviceSpec("Ann's iPhone", TOPIC))
    text, _ = _guide(running)
    assert f"curl {URL}/devices/Ann%27s%20iPhone" in text.splitlines()


def test_the_last_lines_are_the_page_and_a_push_of_ones_own(running: Lab) -> None:
    running.add_device(DeviceSpec("iPhone", TOPIC))
    text, key_id = _guide(running)
    assert text.splitlines()[-3:] == [
        "The page: http://127.0.0.1:8901/",
        'A push:   simulator push --title "Fix the login"',
        "From here on every push is one line.",
    ]
    elsewhere = guide(running, "http://127.0.0.1:1/control", Path(f"/tmp/AuthKey_{key_id}.p8"))
    assert 'simulator push --control http://127.0.0.1:1/control --title "Fix the login"' in elsewhere


@pytest.mark.parametrize(
    ("host", "warned"),
    [("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True), ("apns.test", True)],
)
def test_where_others_reach_it_that_is_said(running: Lab, host: str, warned: bool) -> None:
    running.host = host
    text, _ = _guide(running)
    assert (f"APNs listens on {host}: whoever reaches that can push" in text) is warned


def test_without_a_phone_there_is_nothing_to_paste(running: Lab) -> None:
    text, _ = _guide(running)
    assert "curl" not in text
