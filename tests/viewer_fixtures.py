"""Fixtures of the tests that look at the viewer in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import viewed
from playwright.sync_api import Browser, Page, sync_playwright
from viewing import OpenPage, Watch, chromium, go

from speeddial import Project, Runner
from speeddial.record import Record
from speeddial.viewer.server import Viewer

if TYPE_CHECKING:
    from speeddial.models.base_model import BaseModel


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, base_model: BaseModel) -> Project:
    return viewed.make(tmp_path_factory.mktemp("viewed") / "project")


@pytest.fixture(scope="session")
def record(project: Project) -> Iterator[Record]:
    with project.open_record() as opened:
        yield opened


@pytest.fixture(scope="session")
def runner(project: Project, record: Record) -> Iterator[Runner]:
    with Runner(project, record=record) as opened:
        yield opened


@pytest.fixture(scope="session")
def runs(project: Project, record: Record, runner: Runner) -> viewed.Viewed:
    return viewed.fill(project, record, runner)


@pytest.fixture(scope="session")
def viewer(project: Project, record: Record, runs: viewed.Viewed) -> Iterator[Viewer]:
    with viewed.served(project, record) as viewer:
        yield viewer


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # A container's root has no sandbox of its own to give it.
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser, viewer: Viewer) -> Iterator[OpenPage]:
    """Opens a browser of one's own by a one-time link, at a place; what goes wrong unseen fails the test.

    `answers` are those of the server that are no success and meant to come.
    """
    opened: list[tuple[Page, Watch]] = []

    def open_at(place: str = "", *, answers: tuple[int, ...] = (), **options: Any) -> Page:
        page = browser.new_context(**options).new_page()
        page.set_default_timeout(15_000)
        opened.append((page, Watch(page, f"http://127.0.0.1:{viewer.port}", answers)))
        page.goto(viewer.link)
        if place:
            go(page, place)
        return page

    yield open_at
    for page, watch in opened:
        watch.check()
        page.context.close()
