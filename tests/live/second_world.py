"""The world around OpenCode 2: a server in the foreground that the bridge is told of, or a managed service that it finds."""

from pathlib import Path

import aiohttp

from live.provider import Provider
from live.second_client import OpenCode2Client
from live.second_server import OpenCode2Serve
from live.server import PASSWORD
from live.world import LiveWorld


class LiveWorld2(LiveWorld):
    """A LiveWorld whose `opencode` is of generation 2, and `client` somebody who works with that."""

    def __init__(self, program: Path, *, managed: bool = False) -> None:
        super().__init__(program)
        self._managed = managed

    @property
    def bridge_environment(self) -> dict[str, str]:
        """Of a managed service nothing but whose it is: it is found, with its password."""
        if self._managed:
            return {"XDG_STATE_HOME": str(self.folder / "opencode" / "state")}
        return {"OPENCODE_PASSWORD": PASSWORD}

    def _bridge_arguments(self) -> list[str]:
        words = super()._bridge_arguments()
        return [one for one in words if not (self._managed and one.startswith("--opencode-url"))]

    async def _start_opencode(self) -> None:
        self.provider = await self._stack.enter_async_context(Provider())
        folder = self.folder / "opencode"
        self.opencode = OpenCode2Serve(self._program, folder, self.provider.url, managed=self._managed)
        self._stack.push_async_callback(self.opencode.kill)
        await self.opencode.start()
        headers = {"Authorization": aiohttp.encode_basic_auth("opencode", PASSWORD)}
        http = await self._stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        self.client2 = OpenCode2Client(http, self.opencode.url, str(self.opencode.directory))
