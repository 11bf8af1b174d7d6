"""A new secret over the whole chain: an event under the old one rings on no phone."""

import aiohttp

from simulator.process import Command
from simulator.replay.world import LINK, PATIENCE_SECONDS, ReplayWorld
from waiting import eventually


async def test_an_event_under_the_old_secret_rings_no_phone() -> None:
    async with ReplayWorld() as world:
        secret_file, (phone,) = world.folder / "relay-secret", world.phones
        old = secret_file.read_text().strip()

        async def rang(event: str, secret: str) -> dict[str, object]:
            body = {
                "secret": secret,
                "eventType": "complete",
                "sessionID": "ses_1",
                "eventID": event,
                "title": event,
            }
            async with (
                aiohttp.ClientSession() as http,
                http.post(f"{world.relay.url}/v1/event", json=body) as reply,
            ):
                found: dict[str, object] = await reply.json()
                return found

        assert (await rang("before", old))["sent"] == 1
        await eventually(lambda: [one.title for one in phone.notifications] == ["before"])
        pair = Command(
            "pair",
            ["pair", f"--opencode-url={world.opencode.url}", f"--relay-url={world.relay.url}", f"--secret-file={secret_file}", "--rotate-secret"],
            world.journal, environment={}, folder=world.folder,
        )  # fmt: skip
        await pair.start()
        await pair.printed(LINK, PATIENCE_SECONDS)
        await pair.stop()
        assert any("has forgotten the old secret: 1 phone(s)" in text for text in pair.log)
        assert (await rang("after", old))["code"] == "secret_replaced"
        # The app registers at its next start, and is told to pair again.
        async with aiohttp.ClientSession() as http:
            body = {"secret": old, "deviceToken": phone.app.token}
            async with http.post(f"{world.relay.url}/v1/device/register", json=body) as reply:
                assert (reply.status, (await reply.json())["code"]) == (403, "secret_replaced")
        assert (await rang("later", old))["code"] == "secret_replaced"
        assert [one.title for one in phone.notifications] == ["before"]
