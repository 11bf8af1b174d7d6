"""docs/app.md, from which people build an app: its requests are sent to a real relay, its pushes compared with the relay's own, and
decoded by the simulated iPhone; what its Swift and its app.json say is compared with both."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from quart import Quart

from component.routes.calls import post, table
from relay.alert_payload import alert_payload
from relay.apns.payload import ActivityContent, activity_payload
from relay.contract import ContentState, decode, pairing, pairing_link, parse_pairing_link
from relay.server.routes.table import ROUTES
from simulator.phone.activitykit.attributes import ActivityType, undecodable
from simulator.phone.app.content_state import KINDS

PAGE = (Path(__file__).parents[3] / "docs" / "app.md").read_text()
FENCES = re.findall(r"^```(\S+)(?: title=\"([^\"]*)\")?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES: dict[str, dict[str, Any]] = {
    title: json.loads(text) for kind, title, text in FENCES if kind == "json"
}
"""By their titles."""
REQUESTS = [title for title in EXAMPLES if title.startswith("POST ")]
SWIFT = "\n".join(text for kind, _, text in FENCES if kind == "swift")


def test_every_route_that_an_app_calls_has_its_example() -> None:
    for_apps = {
        f"{one.method} {one.path}" for one in ROUTES if "/device/" in one.path or "/activity/" in one.path
    }
    assert set(REQUESTS) == for_apps


@pytest.mark.parametrize("title", REQUESTS)
def test_an_example_has_fields_of_the_contract_only(title: str) -> None:
    (route,) = [one for one in ROUTES if f"{one.method} {one.path}" == title]
    assert route.body is not None
    assert EXAMPLES[title].keys() <= set(route.body.__struct_encode_fields__)
    decode(json.dumps(EXAMPLES[title]), route.body)


async def test_the_relay_takes_the_requests_in_their_order_and_knows_no_phone_afterwards(app: Quart) -> None:
    for title in REQUESTS:
        assert await post(app, title.removeprefix("POST "), **EXAMPLES[title]) == (200, {"ok": True}), title
        if title == REQUESTS[0]:
            (phone,) = await table("device_registration")
            assert phone["device_token"] == EXAMPLES[title]["deviceToken"]
    assert await table("device_registration") == []


def test_the_link_is_the_pairing_beside_it() -> None:
    (link,) = re.findall(r"^mobilevoice:\S+$", PAGE, re.MULTILINE)
    shown = EXAMPLES["pairing"]
    assert link == f"mobilevoice:///?pair={quote(json.dumps(shown, separators=(',', ':')), safe=':,/')}"
    made = pairing(shown["relayURL"], shown["relaySecret"], shown["hosts"])
    assert parse_pairing_link(link) == made
    assert link == pairing_link(made)


def test_the_alert_is_what_the_relay_sends() -> None:
    shown = EXAMPLES["alert"]
    assert shown == json.loads(alert_payload(
        title=shown["aps"]["alert"]["title"], body=shown["aps"]["alert"]["body"], event_type=shown["eventType"],
        session_id=shown["sessionID"], server_id=EXAMPLES["pairing"]["serverID"], url=shown["url"],
    ))  # fmt: skip


@pytest.mark.parametrize("form", ["flat", "expo-widgets"])
def test_the_start_of_a_card_is_what_the_relay_sends(form: Any) -> None:
    aps = EXAMPLES[f"start, {form}"]["aps"]
    state = aps["content-state"] if form == "flat" else json.loads(aps["content-state"]["props"])
    content = ActivityContent(
        event="start", timestamp=aps["timestamp"], session_id="ses_login", url="mobilevoice://session/ses_login",
        state=decode(json.dumps(state), ContentState), alert=(aps["alert"]["title"], aps["alert"]["body"]),
        relevance_score=aps["relevance-score"], stale_date=aps["stale-date"],
    )  # fmt: skip
    assert json.loads(activity_payload(content, form)) == {"aps": aps}


@pytest.mark.parametrize("form", ["flat", "expo-widgets"])
def test_the_simulated_iphone_decodes_the_start_of_a_card(form: str) -> None:
    aps, kind = EXAMPLES[f"start, {form}"]["aps"], KINDS[form].activity_type
    assert aps["attributes-type"] == kind.name
    assert undecodable(aps["attributes"], kind.attributes) == ""
    assert undecodable(aps["content-state"], kind.content_state) == ""


def test_a_widget_with_the_swift_type_of_the_page_decodes_what_the_relay_sends() -> None:
    """Nobody compiles Swift here; but its names and types can be read, and iOS decodes by nothing else."""
    name, state, rest = re.findall(
        r"struct (\w+): ActivityAttributes \{\n    struct ContentState: Codable, Hashable \{\n(.*?)    \}\n(.*?)\n\}", SWIFT, re.DOTALL
    )[0]  # fmt: skip
    kind = ActivityType(name, _fields(rest), _fields(state))
    aps = EXAMPLES["start, flat"]["aps"]
    assert kind.name == aps["attributes-type"]
    assert kind.attributes.keys() == aps["attributes"].keys()
    assert kind.content_state.keys() == aps["content-state"].keys()
    assert undecodable(aps["attributes"], kind.attributes) == ""
    assert undecodable(aps["content-state"], kind.content_state) == ""


def _fields(swift: str) -> dict[str, str]:
    """The stored properties of a Swift struct, as the simulator writes their kinds."""
    return {name: kind.lower() for name, kind in re.findall(r"var (\w+): (String\??)", swift)}


def test_the_routes_and_fields_in_the_code_that_is_not_compiled_are_the_contracts() -> None:
    code = "\n".join(text for kind, _, text in FENCES if kind in ("swift", "ts"))
    paths = {one.path: one.body for one in ROUTES}
    called = re.findall(r'post\("([\w/]+)", ([\[{].*?[\]}]|device)\)', code, re.DOTALL)
    assert {path for path, _ in called} == {"device/register", "activity/register"}
    for path, body in called:
        kind = paths[f"/v1/{path}"]
        assert kind is not None
        named = set(re.findall(r'"?(\w+)"?:', re.sub(r'""', "", body)))
        assert named <= set(kind.__struct_encode_fields__), body


def test_all_that_was_not_compiled_says_so() -> None:
    assert len(re.findall(r"\*\*Not compiled here", PAGE)) >= 3
    assert EXAMPLES["app.json"]["expo"]["ios"]["infoPlist"]["NSSupportsLiveActivities"] is True
