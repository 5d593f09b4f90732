"""One run as a page of its own: what is in the file, and what a real browser makes of it without a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
import recorded as recording
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright
from viewing import chromium

from speeddial.errors import NotFound
from speeddial.project import Project
from speeddial.record import Record
from speeddial.viewer.bundle import STATIC, script
from speeddial.viewer.page import write_page
from speeddial.viewer.security import Keys
from speeddial.viewer.server import viewer_app

MakeProject = Callable[..., Path]
PWNED = "window.pwned = 1"
HOSTILE = (
    f'<script>{PWNED}</script><img src=x onerror="{PWNED}"><svg onload="{PWNED}"></svg></script><!-- <script>'
    f" javascript:{PWNED} [see](javascript:{PWNED}) ![](https://evil.invalid/a.png) &lt;b&gt; '\"`${{1}} \\"
    " \u202egnp.exe\u2066\u200b \x00\x1b[31m\x7f\u2028\u2029 \ud800 ]]> {{7*7}}"
)
PLAN = {
    "steps": [
        {"expert": "adder", "task": "add 2 and 3"},
        {"expert": "writer", "task": "note the sum", "uses": [1]},
    ],
    "missing": ["tea"],
}
CALL = {"name": "add", "arguments": {"a": 2, "b": 3}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}
MARKS = ("</script", "<!--", "<script", ">", "-->", "&lt;", "\u2028", "\ud800", "\x00", '"', "\\", "/")
"""What might end an element, a comment or a string."""
SAID = '{"name":"add","arguments":{"a":2,"b":3}}'


class Elements(HTMLParser):
    """The scripts of a page, as a browser takes them out of it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            attributes, text = self.scripts.pop()
            self.scripts.append((attributes, text + data))


def elements(path: Path) -> Elements:
    found = Elements()
    found.feed(path.read_text(encoding="utf-8"))
    found.close()
    return found


def embedded(path: Path) -> Any:
    """The data that a page carries."""
    (text,) = (text for attributes, text in elements(path).scripts if attributes.get("id") == "record")
    return json.loads(text)


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    return Project(make_project())


@pytest.fixture
def record(project: Project) -> Iterator[Record]:
    with project.open_record() as opened:
        yield opened


def recorded(record: Record) -> str:
    """A plan of two steps, of which the first was done."""
    run = record.begin_run("add 2 and 3, note the sum", user="ana")
    plan = record.start_interaction(run, "plan", expert="planner", model="scripted")
    record.finish_interaction(plan, "exact", raw=json.dumps(PLAN), parsed=PLAN)
    asked = record.start_interaction(
        run,
        "model",
        step=1,
        expert="adder",
        model="scripted",
        messages=[{"role": "user", "content": "add 2 and 3"}],
        tools=[{"name": "add", "description": "Add.", "parameters": SCHEMA}],
    )
    tokens = [(9, None), (3, 0.5), (len(SAID) - 12, 0.75)]
    record.finish_interaction(
        asked, "exact", raw=SAID, tokens=tokens, parsed=CALL, tokens_in=9, tokens_out=3, tokens_forced=1
    )
    tool = record.start_interaction(
        run, "tool", step=1, parent=asked, expert="adder", tool="add", effect="read", arguments={"a": 2}
    )
    record.finish_interaction(tool, "done", result=5, text="5")
    record.feedback.accept(asked, by="ana", text="well added")
    record.finish_run(run, "partial", answer="it is 5", missing=["tea"])
    return run


def forked(record: Record) -> str:
    """A run that took over the first decode of another, and what was said about it."""
    origin = recorded(record)
    taken = [row.id for row in record.interactions(run=origin) if row.kind != "tool"]
    run = record.begin_run("add", settings={"taken_over": taken}, forked_from=origin, forked_step=2)
    noted = record.start_interaction(run, "model", step=2, expert="writer", model="scripted")
    record.finish_interaction(noted, "refused", raw="null")
    record.feedback.comment(noted, "should have noted it", by="bo")
    record.finish_run(run, "failed")
    return run


def hostile(record: Record) -> str:
    return recording.hostile(record, HOSTILE, role=HOSTILE)


# ---- what is in the file ----


@pytest.mark.parametrize("fill", [recorded, forked, hostile])
async def test_a_page_holds_what_the_api_answers(
    fill: Callable[[Record], str], project: Project, record: Record, tmp_path: Path
) -> None:
    run, keys = fill(record), Keys()
    write_page(record, run, tmp_path / "run.html")
    held = embedded(tmp_path / "run.html")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(viewer_app(project, record, keys=keys)),
        base_url="http://127.0.0.1:8000",
        headers={"Authorization": f"Bearer {keys.bearer}"},
    ) as client:
        assert held["run"] == (await client.get(f"/api/runs/{run}")).json()
        for row in held["interactions"]:
            assert row == (await client.get(f"/api/interactions/{row['id']}")).json()
        assert [row["id"] for row in held["interactions"]] == [row[0] for row in held["run"]["spans"]["rows"]]
        exported = await client.get(f"/api/runs/{run}/export?form=html")
        assert exported.status_code == 200, exported.text
        assert exported.headers["content-disposition"] == f'attachment; filename="{run}.html"'
        (tmp_path / "downloaded.html").write_bytes(exported.content)
    assert embedded(tmp_path / "downloaded.html")["interactions"] == held["interactions"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.text() | st.lists(st.sampled_from(MARKS)).map("".join))
def test_no_text_leaves_its_place(record: Record, tmp_path: Path, text: str) -> None:
    run = record.begin_run(text)
    asked = record.start_interaction(run, "model", messages=[{"role": "user", "content": text}])
    record.finish_interaction(asked, "exact", raw=text)
    write_page(record, run, tmp_path / "run.html")
    held = embedded(tmp_path / "run.html")
    (row,) = record.run(run).interactions
    assert held["run"]["run"]["task"] == record.run(run).task
    assert held["interactions"][0]["raw"] == row.raw
    assert held["interactions"][0]["messages"] == list(row.messages)
    assert elements(tmp_path / "run.html").tags.count("script") == 2


def test_the_script_ends_where_its_element_does() -> None:
    code = script().lower()
    assert not any(mark in code for mark in ("</script", "<script", "<!--"))
    for name in ("LICENSE-preact", "LICENSE-htm"):
        assert (STATIC / "vendor" / name).read_text(encoding="utf-8").lower() in code


def test_an_interrupted_run_reads_as_one(record: Record, tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom speeddial.record import Record\nrecord = Record.open(sys.argv[1])\n"
        "run = record.begin_run('x')\nrecord.start_interaction(run, 'model', expert='adder')\nos._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(record.path)], check=False)
    (run,) = (row.id for row in record.runs())
    write_page(record, run, tmp_path / "run.html")
    held = embedded(tmp_path / "run.html")
    assert held["run"]["run"]["status"] == "interrupted"
    assert [row["status"] for row in held["interactions"]] == ["interrupted"]


def test_a_run_without_interactions_and_one_that_there_is_not(record: Record, tmp_path: Path) -> None:
    write_page(record, record.begin_run("nothing yet"), tmp_path / "run.html")
    assert embedded(tmp_path / "run.html")["interactions"] == []
    with pytest.raises(NotFound):
        write_page(record, "nothing", tmp_path / "none.html")
    with pytest.raises(OSError, match="none"):
        write_page(record, record.begin_run("x"), tmp_path / "none" / "run.html")
    assert [path.name for path in tmp_path.glob("*.html")] == ["run.html"]


# ---- in a browser ----


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # A container's root has no sandbox of its own to give it.
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[[Path], Page]]:
    """Opens a file; what it says to the console, asks of others or runs of what it shows fails the test."""
    opened: list[Page] = []
    wrong: list[str] = []

    def open_file(path: Path) -> Page:
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.set_default_timeout(10_000)
        opened.append(page)

        def asked(request: Request) -> None:
            if request.url.partition("#")[0] != path.as_uri():
                wrong.append(f"request: {request.url}")

        page.on("request", asked)
        page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.goto(path.as_uri())
        return page

    yield open_file
    for page in opened:
        assert page.evaluate("window.pwned") is None
        page.context.close()
    assert not wrong


@pytest.mark.browser
def test_a_page_shows_the_plan_and_its_calls(
    open_page: Callable[[Path], Page], record: Record, tmp_path: Path
) -> None:
    write_page(record, recorded(record), tmp_path / "run.html")
    page = open_page(tmp_path / "run.html")
    expect(page).to_have_title("add 2 and 3, note the sum · Speeddial")
    expect(page.get_by_text("One run, exported")).to_be_visible()
    plan = page.get_by_role("tabpanel", name="Plan")
    expect(plan).to_contain_text("writer")
    plan.get_by_role("button", name="adder").click()
    call = page.get_by_role("complementary", name="Details")
    expect(call.get_by_role("heading", name="adder")).to_be_visible()
    expect(call.locator(".tokens")).to_contain_text(SAID)
    expect(call).to_contain_text("well added")
    for view, rows in (("Waterfall", 5), ("Tree", 5)):
        page.get_by_role("tab", name=view).click()
        expect(page.get_by_role("treeitem")).to_have_count(rows)
    for gone in ("Replay", "Compare", "Accept", "Correct", "Comment", "Label", "Fork", "All runs"):
        button, link = page.get_by_role("button", name=gone), page.get_by_role("link", name=gone)
        expect(button.or_(link)).to_have_count(0)
    assert page.locator("nav[aria-label=Views], details.menu").count() == 0
    for key in ("g", "r", "r", "x", "a", "e", "c", "l", "f"):
        page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_text("it is 5")).to_be_visible()
    page.reload()
    expect(page.get_by_role("treeitem")).to_have_count(5)


@pytest.mark.browser
def test_what_was_said_stays_text(open_page: Callable[[Path], Page], record: Record, tmp_path: Path) -> None:
    write_page(record, hostile(record), tmp_path / "run.html")
    page = open_page(tmp_path / "run.html")
    for view in ("Plan", "Waterfall", "Tree"):
        page.get_by_role("tab", name=view).click()
        expect(page.get_by_role("tabpanel")).to_contain_text("<script>")
    shown = page.get_by_role("treeitem")
    for index in range(shown.count()):
        shown.nth(index).click()
        expect(page.locator(".pane-body")).to_be_visible()
        page.locator(".pane [aria-expanded=false]").evaluate_all("all => all.forEach((one) => one.click())")
        expect(page.locator(".pane")).to_contain_text(f"<script>{PWNED}</script>")
        made = page.locator("#app").locator("script, img, iframe, object, embed, form, base, link, meta, a")
        assert {one.get_attribute("href") for one in made.all()} == {"#main", "#/"}


@pytest.mark.browser
def test_a_page_may_do_nothing_but_show(browser: Browser, record: Record, tmp_path: Path) -> None:
    """Its policy holds even if some text became an element."""
    write_page(record, recorded(record), tmp_path / "run.html")
    context = browser.new_context()
    page = context.new_page()
    page.goto((tmp_path / "run.html").as_uri())
    expect(page.get_by_role("tabpanel")).to_be_visible()
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content") or ""
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy
    refused = page.evaluate(
        """async (pwned) => {
          const refused = [];
          addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
          const script = document.createElement("script");
          script.textContent = pwned;
          document.body.append(script);
          const holder = document.createElement("div");
          holder.innerHTML = `<button onclick="${pwned}">x</button><img src="https://evil.invalid/a.png">`;
          document.body.append(holder);
          holder.firstChild.click();
          await fetch("https://evil.invalid/").catch(() => {});
          for (let turn = 0; turn < 400 && new Set(refused).size < 4; turn++)
            await new Promise((done) => setTimeout(done, 25));
          holder.remove();
          return refused;
        }""",
        PWNED,
    )
    assert {"script-src-elem", "script-src-attr", "img-src", "connect-src"} == set(refused)
    assert page.evaluate("window.pwned") is None
    context.close()


@pytest.mark.browser
def test_trace_export_writes_a_page_that_opens(
    make_project: MakeProject, open_page: Callable[[Path], Page], tmp_path: Path
) -> None:
    root = make_project()
    (tmp_path / "script.json").write_text(json.dumps([CALL]), encoding="utf-8")

    def speeddial(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "speeddial", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "SPEEDDIAL_MODEL": f"scripted:{tmp_path / 'script.json'}"},
        )

    assert speeddial("call", "adder", "add 2 and 3").returncode == 0
    done = speeddial("trace", "export", "last", "--form", "html", "--out", "run.html")
    assert done.returncode == 0, done.stderr
    page = open_page(root / "run.html")
    page.get_by_role("tab", name="Tree").click()
    page.get_by_role("treeitem").filter(has_text="add").first.click()
    expect(page.get_by_role("complementary", name="Details")).to_contain_text('"a": 2')
    nowhere = speeddial("trace", "export", "last", "--form", "html", "--out", "none/run.html")
    assert nowhere.returncode == 2 and "cannot be written" in nowhere.stderr
