"""kalyke-apns (httpx2; a new connection for each push, and `iat` as a text)."""

import asyncio

from driver import Json, Outcome, serve, settings

given = settings()

from kalyke import ApnsClient, ApnsConfig, ApnsPushType  # noqa: E402
from kalyke.exceptions import ApnsProviderException  # noqa: E402

client = ApnsClient(
    use_sandbox=True, team_id=given["teamId"], auth_key_id=given["keyId"], auth_key_filepath=given["key_file"]
)


async def send(push: Json) -> Outcome:
    config = ApnsConfig(topic=push["topic"], push_type=ApnsPushType(push["type"]))
    try:
        await client.send_message(push["token"], push["payload"], config)
    except ApnsProviderException as error:
        return {"reason": type(error).__name__, **error.error}
    except Exception as error:
        return {"reason": type(error).__name__}
    return {"reason": None}


asyncio.run(serve(send))
