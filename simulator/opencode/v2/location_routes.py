"""The routes of locations: which are loaded, one of them, loading them anew; and projects."""

from quart import Quart, Response

from simulator.opencode.v2.answers import answer, empty, location, place
from simulator.opencode.v2.api import Api
from simulator.opencode.v2.process import Process


def add(app: Quart, process: Process, api: Api) -> None:
    """Put them on the app."""
    state = process.state

    @app.get("/api/debug/location")
    async def loaded() -> Response:
        """Every loaded location; asking loads none."""
        return answer([{"directory": directory} for directory in state.locations])

    @app.delete("/api/debug/location")
    async def unload() -> Response:
        api.unload(location(process))
        return empty()

    @app.get("/api/location")
    async def one_location() -> Response:
        return answer(place(process, location(process)))

    async def reload() -> Response:
        api.reload()
        return empty()

    if not process.flavour.beta:
        app.post("/api/location/reload")(reload)

    @app.get("/api/project")
    async def projects() -> Response:
        known = {info["projectID"]: info for info in state.sessions.values()}
        return answer(
            [
                {
                    "id": project,
                    "canonical": info["location"]["directory"],
                    "vcs": "git",
                    "time": {
                        "created": info["time"]["created"],
                        "updated": info["time"]["updated"],
                        "active": info["time"]["updated"],
                    },
                    "sandboxes": [],
                }
                for project, info in known.items()
            ]
        )
