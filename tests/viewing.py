"""A page of the viewer in a browser: its parts, and a watch over what it does unseen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, expect

from speeddial.record import Record

OpenPage = Callable[..., Page]
# For a machine with two busy cores; nothing waits that long on one at rest.
expect.set_options(timeout=15_000)


def chromium() -> str:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("the viewer's tests need a browser: apt-get install chromium", pytrace=False)
    return path


class Watch:
    """What a page did besides what it shows."""

    def __init__(self, page: Page, origin: str, answers: tuple[int, ...]) -> None:
        self._page = page
        self._origin = origin
        self._answers = answers
        self._wrong: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._wrong.append(str(error)))
        page.on("request", self._asked)
        page.on("dialog", lambda dialog: self._wrong.append(f"dialog: {dialog.message}"))

    def check(self) -> None:
        assert not self._wrong
        assert self._page.evaluate("window.__pwned") is None

    def _said(self, message: ConsoleMessage) -> None:
        expected = any(f"status of {answer}" in message.text for answer in self._answers)
        if message.type in ("error", "warning") and not expected:
            self._wrong.append(f"{message.type}: {message.text} {message.location}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(f"{self._origin}/"):
            self._wrong.append(f"request: {request.url}")


def go(page: Page, place: str) -> None:
    """Goes there as by a link, and is back when the page knows."""
    page.evaluate(
        """place => new Promise((done) => {
          if (location.hash === place) return done();
          addEventListener("hashchange", () => done(), { once: true });
          location.hash = place;
        })""",
        f"#/{place}",
    )


def rows(page: Page) -> Any:
    return page.get_by_role("listbox", name="Runs").get_by_role("option")


def spans(page: Page) -> Any:
    return page.get_by_role("tree").get_by_role("treeitem")


def decode(record: Record, run: str) -> Any:
    return next(row for row in record.run(run).interactions if row.kind == "model")
