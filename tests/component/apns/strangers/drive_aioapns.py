"""aioapns (its own HTTP/2 on h2, a pool of connections)."""

import asyncio
import ssl

from driver import Json, Outcome, serve, settings

given = settings()

from aioapns import APNs, NotificationRequest, PushType  # noqa: E402


async def main() -> None:
    client = APNs(
        key=given["key"], key_id=given["keyId"], team_id=given["teamId"], topic="com.example", use_sandbox=True,
        ssl_context=ssl.create_default_context(cafile=given["ca_file"]),
    )  # fmt: skip

    async def send(push: Json) -> Outcome:
        request = NotificationRequest(
            push["token"], push["payload"], push_type=PushType(push["type"]), apns_topic=push["topic"]
        )
        try:
            result = await client.send_notification(request)
        except Exception as error:
            return {"reason": type(error).__name__}
        timed = {} if result.timestamp is None else {"timestamp": int(result.timestamp)}
        return {"reason": None if result.is_successful else result.description} | timed

    await serve(send)


asyncio.run(main())
