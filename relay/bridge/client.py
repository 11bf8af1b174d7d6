"""HTTP as the bridge speaks it, to an OpenCode or a relay that may be anybody's: nothing compressed, no redirect followed,
no answer larger than memory allows."""

import aiohttp

IDENTITY = {"Accept-Encoding": "identity"}
MAX_ANSWER = 64 << 20
"""Bytes of one answer of OpenCode. A session's newest messages can hold whole files, but not this much."""
MAX_REPLY = 64 << 10
"""Bytes of one reply of the relay, which says a few words."""


class TooLarge(aiohttp.ClientPayloadError):
    """The answer is larger than anything that could be right."""


def open_client() -> aiohttp.ClientSession:
    """A client that asks for plain bodies and takes no others: a small compressed one may fill the memory."""
    return aiohttp.ClientSession(headers=IDENTITY, auto_decompress=False)


async def read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it has more than `limit` bytes, and the connection ends with it."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            response.close()
            raise TooLarge(f"the answer has more than {limit >> 10} KiB")
    return bytes(body)
