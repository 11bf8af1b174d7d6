"""`make notebooks`: Jupyter opens with notebook 1, all notebooks are trusted, and the pictures are images, also for root."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
import pytest_asyncio
from nbformat.sign import NotebookNotary
from playwright.async_api import Page, expect

from browser import browser
from waiting import eventually

ROOT = Path(__file__).parents[2]
SHOTS = os.environ.get("NOTEBOOK_PICTURES")
PATIENCE_MS = 90_000
LAB = Path(os.environ.get("JUPYTERLAB_DIR") or Path(sys.prefix) / "share" / "jupyter" / "lab")

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Jupyter(NamedTuple):
    """`url` has the token in it; `data` is where Jupyter keeps what it trusts."""

    url: str
    root: str
    token: str
    data: Path


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def jupyter(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Jupyter]:
    if not (LAB / "static").is_dir():
        pytest.skip("NOTICE: JupyterLab's files are not in this environment: `make notebooks` was not tested")
    folder = tmp_path_factory.mktemp("jupyter")
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("DATA", "CONFIG", "RUNTIME")}
    options = "--no-browser --ServerApp.port=0 --ServerApp.open_browser=False"
    command = ["make", "-o", ".venv/.dev", "notebooks", f"BIN={sys.prefix}/bin", f"LAB={options}"]
    process = _started(command, own, folder / "log")
    try:
        await eventually(lambda: _running(folder) or process.poll() is not None, within=60)
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        found = json.loads(_running(folder)[0].read_text())
        yield Jupyter(found["url"], found["root_dir"], found["token"], folder / "data")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _started(command: list[str], own: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """In a process group of its own, so that Jupyter and its kernels end with it."""
    with log.open("w") as out:
        return subprocess.Popen(
            command, cwd=ROOT, env=os.environ | own, stdout=out, stderr=out, start_new_session=True
        )


def _running(folder: Path) -> list[Path]:
    return list((folder / "runtime").glob("jpserver-*.json"))


async def _opened(page: Page, jupyter: Jupyter, name: str) -> None:
    await page.goto(f"{jupyter.url}lab/tree/{name}?reset&token={jupyter.token}")
    await page.locator(".jp-Notebook").wait_for(timeout=PATIENCE_MS)


async def test_every_notebook_is_trusted(jupyter: Jupyter) -> None:
    notary = NotebookNotary(data_dir=str(jupyter.data))
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert Path(jupyter.root) == ROOT / "notebooks"
    assert [path.name for path in notebooks if not notary.check_signature(nbformat.read(path, 4))] == []


@pytest.mark.parametrize(
    ("name", "alts"),
    [
        ("01_first_notification.ipynb", ["Lock screen of iPhone: notification"]),
        ("04_live_activity.ipynb", ["Dynamic Island: compact, Working", "Lock screen of iPhone: Live Activity Fix the login"]),
    ],
)  # fmt: skip
async def test_the_pictures_are_images_with_words(jupyter: Jupyter, name: str, alts: list[str]) -> None:
    async with browser() as chromium:
        page = await chromium.new_page(viewport={"width": 1280, "height": 1400})
        await _opened(page, jupyter, name)
        for alt in alts:
            image = page.locator(f'.jp-OutputArea-output img[alt^="{alt}"]').first
            await image.scroll_into_view_if_needed(timeout=PATIENCE_MS)
            await expect(image).to_be_visible()
            assert await image.evaluate("one => one.decode().then(() => one.naturalWidth)") >= 340
            if SHOTS:
                await page.screenshot(path=f"{SHOTS}/{name[:2]}-{alts.index(alt)}.png")
        assert "untrusted" not in (await page.locator(".jp-Notebook").inner_text()).lower()
