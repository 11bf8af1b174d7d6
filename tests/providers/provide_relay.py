"""The relay's own push client, with the relay's verdicts: what APNs may take at another try is sent again, under the same apns-id and collapse-id."""

import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path
from uuid import uuid4

from relay.apns.gateway import Gateway, ProviderToken, build_gateway
from relay.apns.push import Outcome, Push
from relay.apns.reasons import Verdict
from relay.backoff import Backoff

PATIENCE = 25.0
"""Seconds, after which a push is given back. The relay tries for an hour."""
LONGEST_WAIT = 2.0
"""Seconds. The relay waits longer, and is in no hurry; a case is."""
BACKOFF = Backoff(first=0.5, cap=LONGEST_WAIT)


def wanted(given: dict) -> Push:
    apns_id = given.get("apns_id") or str(uuid4())
    return Push(
        apns_id=apns_id, device_token=given["token"], apns_env="sandbox", topic=given["topic"], push_type=given["push_type"],
        priority=given["priority"], expiration=0, collapse_id=f"push-{given['id']}", payload=json.dumps(given["payload"]).encode(),
    )  # fmt: skip


async def delivered(gateway: Gateway, push: Push) -> Outcome:
    ends = time.monotonic() + PATIENCE
    attempt = 0
    while True:
        outcome = await gateway.send(push)
        attempt += 1
        wait = min(outcome.retry_after or BACKOFF.delay(attempt, random.random), LONGEST_WAIT)
        if outcome.verdict is not Verdict.RETRY_LATER or time.monotonic() + wait > ends:
            return outcome
        await asyncio.sleep(wait)


async def main() -> None:
    env = os.environ
    here = (env["APNS_HOST"], int(env["APNS_PORT"]))
    key = Path(env["APNS_KEY_FILE"]).read_text()
    gateway = build_gateway(
        "lean", hosts={"production": here, "sandbox": here}, ca_file=Path(env["APNS_CA_FILE"]), deadline=14.0,
        provider_token=ProviderToken(private_key=key, key_id=env["APNS_KEY_ID"], team_id=env["APNS_TEAM_ID"]),
    )  # fmt: skip

    async def push(line: str) -> None:
        given = json.loads(line)
        outcome = await delivered(gateway, wanted(given))
        report = {"status": outcome.status, "reason": outcome.reason, "timestamp": outcome.timestamp}
        print(json.dumps({"id": given["id"], "error": outcome.error} | report), flush=True)

    tasks = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        tasks.add(asyncio.create_task(push(line)))
    await gateway.close(5.0)
    await asyncio.gather(*tasks)


asyncio.run(main())
