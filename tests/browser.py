"""The page in a real browser, over a service that is really served."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from app.main import create_app
from app.settings import Settings
from tests.served import UNLIMITED, as_service

CHROMIUM = os.environ.get("DUELIST_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# Generous: the machine may be busy. Nothing that is asserted is a time.
expect.set_options(timeout=30_000)

_NOTED = """
    window.violations = [];
    document.addEventListener('securitypolicyviolation', ({violatedDirective, blockedURI, sample}) =>
        window.violations.push([violatedDirective, blockedURI, sample].join(' ')));
"""
_SETTLED = """() => Promise.all(
    document.getAnimations().filter((one) => one.effect.getTiming().iterations < Infinity).map((one) => one.finished))
"""


@contextmanager
def launched() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no browser is installed: apt install chromium, or name one in DUELIST_BROWSER")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(url: str, folder: Path, key: str | None, port: int) -> Iterator[str]:
    chosen = Settings.model_validate({"data_dir": folder, "worker": False, **UNLIMITED})
    app = create_app(chosen, as_service(url), page_key=key)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.02)
            assert thread.is_alive()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def new_context(browser: Browser, *, key: str = "", **options: object) -> BrowserContext:
    """`key`: instead of the one that the service gives to its page."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})  # type: ignore[arg-type]
    context.add_init_script(_NOTED)
    if key:
        context.add_init_script(f"sessionStorage.setItem('duelist-key', '{key}')")
    return context


class Opened:
    """A page: what it should not do is noted, and told when it is closed."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address = address
        self.page: Page = context.new_page()
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", lambda request: self._look_at(request.url))

    def _look_at(self, url: str) -> None:
        if not url.startswith((f"{self.address}/", "data:", "blob:")):
            self.wrong.append(f"a request to {url}")

    def go(self, path: str = "", **given: str) -> Page:
        self.page.goto(f"{self.address}/#/{path}" + (f"?{urlencode(given)}" if given else ""))
        return self.page

    def close(self) -> None:
        self.wrong += self.page.evaluate("window.violations")
        self.page.close()
        assert self.wrong == []


def is_accessible(page: Page) -> None:
    """axe finds nothing serious."""
    page.evaluate(_SETTLED)  # what fades in is judged when it is there
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [
        f"{one['id']}: {one['help']}: {node['target']} {node.get('failureSummary', '')}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
    assert not serious, "\n".join(serious)
