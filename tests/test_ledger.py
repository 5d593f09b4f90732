"""The ledger: counted from what the proxy recorded, with prices and training as they are told."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from deployed import CITIES, KEY, deploy, project_in, serving, version
from hypothesis import given
from hypothesis import strategies as st
from test_proxy import says
from test_specialists import post, right, said
from typer.testing import CliRunner

from speeddial.cli.app import app
from speeddial.errors import SettingsError
from speeddial.flywheel.artefact import FOLDER
from speeddial.flywheel.ledger import Figure, Ledger, ledger
from speeddial.models.scripted import Reply, Scripted
from speeddial.project import Project
from speeddial.record import Record
from speeddial.settings import Settings, price_of

PRICES = {"prices": {"large": "1.00/10.00"}, "machine_price": 0.5}


def settings(**values: Any) -> Settings:
    return Settings.load(None, values, {})


class Story:
    """Requests that went through the proxy and were written as it writes them, without the proxy's time."""

    def __init__(self, record: Record, task: str = "get_weather") -> None:
        self.record, self.task = record, task

    def call(self, served: bool, why: str = "unsure", *, tokens: int = 420, own: bool = True) -> None:
        record = self.record
        who = "get_weather" if served else "large model"
        told = {"task": self.task, "stage": "full", "served_by": who} | ({} if served else {"why": why})
        run = record.begin_run("weather?", workflow="proxy", settings=told)
        if own:
            row = record.start_interaction(run, "model", expert="get_weather", model="embedded:x")
            record.finish_interaction(row, "exact", tokens_in=30, tokens_out=10, latency_ms=36.0)
        if not served:
            row = record.start_interaction(run, "model", model="large", reason=why)
            record.finish_interaction(row, "exact", tokens_in=tokens - 20, tokens_out=20, latency_ms=900.0)
        record.finish_run(run, "done")

    def counted(self, **values: Any) -> Ledger:
        return ledger(self.record, settings(**values), self.record.folder / FOLDER)


@pytest.fixture
def record(tmp_path: Path) -> Any:
    with Record.open(tmp_path / "record.db") as opened:
        yield opened


def test_shares_escalations_and_break_even(record: Record) -> None:
    story = Story(record)
    deploy(record, version(record.folder / FOLDER, "scripted:none", seconds=7200.0))
    for number in range(40):
        story.call(served=number % 4 != 0)
    found = story.counted(**PRICES)
    (line,) = [line for line in found.tasks if line.task == "get_weather"]
    assert (line.calls, line.served, line.asked, line.escalated, line.stage) == (40, 30, 40, 10, "full")
    assert line.served_share is not None and line.served_share.value == 0.75
    assert 0.59 < line.served_share.low < 0.60 and 0.85 < line.served_share.high < 0.86  # Wilson
    assert line.reasons == {"unsure": 10} and line.wasted["tokens"] == 400 and line.wasted["calls"] == 10
    # 60 answers of the artefacts, 420 tokens each; as many tokens in the calls that were escalated.
    assert line.baseline_calls == 60
    assert line.tokens_share is not None and abs(line.tokens_share.value - 0.75) < 0.02
    assert line.training_seconds == 7200 and line.training_cost == 1.0
    # A large call costs 400 * 1e-6 + 20 * 1e-5 = 0.0006, 30 are spared; 40 decodes of 36 ms cost 0.0002.
    assert line.saved is not None and abs(line.saved.value - 0.0178) < 0.0006
    assert line.break_even is not None and abs(line.break_even.value - 1.0 / (0.0178 / 40)) < 100
    assert line.break_even.low < line.break_even.value < line.break_even.high
    assert found.total.calls == 40 and found.total.served == 30 and not found.missing


def test_without_prices_money_is_left_out_and_said_to_be(record: Record) -> None:
    deploy(record, version(record.folder / FOLDER, "scripted:none"))
    story = Story(record)
    for _ in range(3):
        story.call(served=True)
    story.call(served=False)
    found = story.counted()
    assert found.total.saved is found.total.cost_share is found.total.break_even is None
    assert found.total.tokens_share is not None
    assert any("large" in line and "prices" in line for line in found.missing)
    assert any("machine_price" in line for line in found.missing)


def test_what_saves_nothing_never_pays(record: Record) -> None:
    story = Story(record)
    deploy(record, version(record.folder / FOLDER, "scripted:none"))
    for _ in range(10):
        story.call(served=False)
    line = story.counted(**PRICES).total
    assert line.break_even is None and line.saved is not None and line.saved.high < 0
    assert line.tokens_share is not None and line.tokens_share.value == 0


def test_what_no_specialist_was_to_serve_is_no_escalation(record: Record) -> None:
    story = Story(record)
    deploy(record, version(record.folder / FOLDER, "scripted:none"), "canary")
    for _ in range(5):
        story.call(served=False, why="stage", own=False)
    line = story.counted().total
    assert (line.calls, line.asked, line.escalated, line.baseline_calls) == (5, 0, 0, 65)


def test_what_was_imported_did_not_come_by_the_proxy(record: Record) -> None:
    story = Story(record)
    story.call(served=True)
    run = record.begin_run("weather?", workflow="proxy", settings={"imported": "openai", "conversations": []})
    row = record.start_interaction(run, "model", model="large")
    record.finish_interaction(row, "exact", tokens_in=400, tokens_out=20)
    record.finish_run(run, "done")
    found = story.counted()
    assert found.total.calls == found.total.served == 1


def test_an_empty_record_is_an_empty_ledger(record: Record) -> None:
    found = Story(record).counted(**PRICES)
    assert found.tasks == () and found.total.served_share is None and found.total.saved is None
    json.dumps(found.as_dict())


@given(st.integers(0, 200), st.integers(1, 200))
def test_a_share_lies_in_its_interval(part: int, of: int) -> None:
    part = min(part, of)
    figure = Figure.share(part, of)
    assert figure is not None and 0 <= figure.low <= figure.value <= figure.high <= 1


def test_prices_are_read_strictly() -> None:
    assert price_of(" 1.25 / 10") == (1.25e-6, 1e-5)
    assert Settings.load(None, None, {"SPEEDDIAL_PRICES": "large=1/2"}).prices == {"large": "1/2"}
    with pytest.raises(SettingsError, match=r"1\.25"):
        settings(prices={"large": "1.25"})


@pytest.mark.browser
def test_the_page_shows_each_share_with_its_interval(tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright
    from viewing import Watch, chromium, go

    from speeddial.viewer.server import Viewer

    project = project_in(tmp_path / "project", machine_price=0.2)
    with project.open_record() as record:
        deploy(record, version(record.folder / FOLDER, "scripted:none"))
        for number in range(20):
            Story(record).call(served=number % 4 != 0)
        viewer = Viewer(project, record)
        thread = threading.Thread(target=viewer.serve)
        thread.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    # A container's root has no sandbox of its own to give it.
                    executable_path=chromium(),
                    args=["--no-sandbox"],
                )
                page = browser.new_page()
                watch = Watch(page, f"http://127.0.0.1:{viewer.port}", ())
                page.goto(viewer.link)
                go(page, "ledger")
                card = page.locator(".card").filter(has_text="Calls served by specialists")
                expect(card).to_contain_text("75.0 %")
                expect(card).to_contain_text("15 of 20 calls")
                row = page.get_by_role("row").filter(
                    has=page.get_by_role("rowheader", name="get_weather", exact=True)
                )
                expect(row.get_by_role("img").first).to_have_accessible_name(
                    "75.0 %, 53.1 % to 88.8 %, of 20 calls"
                )
                expect(page.get_by_role("row").filter(has_text="unsure")).to_contain_text("5")
                expect(page.locator("main")).to_contain_text("5 calls of large have no price")
                page.get_by_role("button", name="24 hours").click()
                expect(page).to_have_url(re.compile("since=24h"))
                watch.check()
                browser.close()
        finally:
            viewer.stop()
            thread.join(20)


def test_the_command_counts_what_went_through_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_in(tmp_path / "project", machine_price=0.2)
    told_there = project.root / "speeddial.toml"
    told_there.write_text(told_there.read_text() + 'prices = {"large" = "1/10"}\n')
    project = Project(project.root)
    Scripted.register("weather", lambda request: Reply(right(request).output, confidence=0.9))
    upstream = ChatServer(key=KEY, models=("large",))
    with upstream.running(), project.open_record() as record:
        deploy(record, version(record.folder / FOLDER, "scripted:weather"))
        with serving(project, record, upstream) as proxy:
            for city in CITIES:
                assert post(proxy, said(f"weather in {city}?")).status_code == 200
            upstream.faults.append(says(("play_music", '{"song": "Oslo"}')))
            post(proxy, said("play the song Oslo"))
    monkeypatch.chdir(project.root)
    got = CliRunner().invoke(app, ["ledger", "--json"])
    assert got.exit_code == 0, got.output
    found = json.loads(got.stdout)
    assert (found["total"]["calls"], found["total"]["served"]) == (6, 5)
    assert found["total"]["served_share"]["calls"] == 6 and found["total"]["saved"]["value"] > 0
    told = CliRunner().invoke(app, ["ledger"]).stdout
    assert "get_weather\tfull\t5\t5\t100.0% (56.6% to 100.0%)" in told
