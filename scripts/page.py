"""Builds the page in exports/web, serves it from this machine, and opens it in the installed Chromium."""

import functools
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from scripts.serve import Handler

WEB = Path(__file__).parents[1] / "exports" / "web"
CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder on a free port of the loopback interface, and yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def built(*words: str) -> Iterator[tuple[Browser, str]]:
    """Builds the page with the arguments of build.mjs, serves it, and starts a browser for it."""
    subprocess.run(["node", "build.mjs", *words], cwd=WEB, check=True, stdout=subprocess.DEVNULL)
    with (
        served(WEB / "dist") as site,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM) as browser,
    ):
        yield browser, site


def opened(browser: Browser, site: str, **options: Any) -> Page:
    """Opens the page with empty caches, and waits until it is ready."""
    page = browser.new_context(**options).new_page()
    page.goto(site)
    page.locator("#selftest:enabled").wait_for()
    return page
