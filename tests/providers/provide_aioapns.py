"""aioapns 4.0 as it is, but for the host."""

import asyncio
import json
import os
import ssl
import sys
from pathlib import Path

from aioapns import APNs, NotificationRequest
from aioapns.connection import APNsTLSClientProtocol


class Here(APNsTLSClientProtocol):
    APNS_SERVER = os.environ["APNS_HOST"]
    APNS_PORT = int(os.environ["APNS_PORT"])


async def main() -> None:
    client = APNs(
        key=Path(os.environ["APNS_KEY_FILE"]).read_text(),
        key_id=os.environ["APNS_KEY_ID"],
        team_id=os.environ["APNS_TEAM_ID"],
        topic=os.environ["APNS_TOPIC"],
        ssl_context=ssl.create_default_context(cafile=os.environ["APNS_CA_FILE"]),
    )
    client.pool.protocol_class = Here

    async def push(line: str) -> None:
        given = json.loads(line)
        request = NotificationRequest(given["token"], given["payload"], notification_id=given.get("apns_id"))
        try:
            result = await client.send_notification(request)
            report = {
                "status": int(result.status),
                "reason": result.description or None,
                "timestamp": result.timestamp,
            }
        except Exception as error:
            report = {"error": type(error).__name__}
        print(json.dumps({"id": given["id"]} | report), flush=True)

    tasks = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        tasks.add(asyncio.create_task(push(line)))
    client.pool.close()
    if tasks:
        await asyncio.wait(tasks, timeout=10)


asyncio.run(main())
