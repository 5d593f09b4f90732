"""The viewer's page in a real browser: what is done in it, how it looks and reads, and hostile content."""

from __future__ import annotations

import json
import re

import pytest
import viewed
from playwright.sync_api import Page, expect
from viewing import OpenPage, decode, go, rows, spans

from speeddial.record import Record

pytest_plugins = ["viewer_fixtures"]
pytestmark = pytest.mark.browser
NAMED = (
    "button|link|textbox|searchbox|combobox|checkbox|radio|tab|tree|treeitem|listbox|option|img|dialog|"
    "navigation|complementary|figure|group|progressbar|slider|switch|menuitem"
)
UNNAMED = re.compile(rf"^ *- '?(?:{NAMED})(?! *\")(?: \[[^\]]*\])*'?:?(?: .*)?$", re.MULTILINE)
"""Lines of a snapshot of the accessibility tree that name no name."""
LOUD = """() => {
  const bad = /[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufeff]/;
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    if (node.nodeType === 3 && bad.test(node.data)) found.push(node.parentElement.outerHTML.slice(0, 200));
    if (node.nodeType === 1)
      for (const name of ["title", "aria-label", "placeholder", "alt"])
        if (bad.test(node.getAttribute(name) ?? "")) found.push(name + ": " + node.outerHTML.slice(0, 200));
  }
  return found;
}"""
"""What on the page would hide or reorder text."""
WIDE = """() => [...document.querySelectorAll("html, main, .list, .graph, .pane-body, dialog, .split")]
  .filter((one) => one.scrollWidth > Math.max(one.clientWidth, 1) && getComputedStyle(one).display !== "none")
  .map((one) => `${one.tagName}.${one.className} ${one.scrollWidth} > ${one.clientWidth}`)"""
"""What would have to be scrolled sideways; tables and tabs move within themselves."""


# ---- saying what is right ----


def test_a_call_is_judged_by_keys(open_page: OpenPage, record: Record) -> None:
    asked = viewed.written(record)
    run = record.interaction(asked).run
    page = open_page(f"run/{run}?span={asked}", answers=(422,))
    pane = page.get_by_role("complementary", name="Details")
    expect(pane.get_by_role("button", name="Accept")).to_be_visible()
    page.keyboard.press("a")
    expect(pane.locator(".remarks li")).to_have_count(1)
    page.keyboard.press("c")
    page.keyboard.type("a remark of mine")
    page.keyboard.press("Enter")
    expect(pane.locator(".remarks")).to_contain_text("a remark of mine")
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="wrong value")).to_be_visible()
    page.keyboard.type("sums")
    page.keyboard.press("Enter")
    expect(pane.locator(".remarks .tag")).to_have_text("sums")

    page.keyboard.press("e")
    call = page.get_by_role("textbox", name="Call as JSON")
    expect(call).to_be_focused()
    call.fill('{"name": "add",')
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("not JSON yet")
    call.fill('{\n  "name": "add",\n  "arguments": {\n    "a": "one",\n    "b": 2\n  }\n}')
    page.keyboard.press("Control+Enter")
    problem = page.get_by_role("alert").get_by_role("listitem")
    expect(problem).to_contain_text("expected")
    expect(problem).to_contain_text('"one"')
    page.get_by_role("button", name="arguments.a").click()
    assert page.evaluate("getSelection().toString()").strip() == '"a": "one",'
    call.fill('{"name": "add", "arguments": {"a": 1, "b": 2}}')
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="trains on your call")).to_be_visible()
    expect(pane.locator(".remarks li")).to_have_count(4)
    assert [said.verdict for said in record.feedback.of(asked)] == ["accept", "comment", "label", "correct"]
    assert record.feedback.corrections([asked]) == {
        asked: {"name": "add", "arguments": {"a": 1, "b": 2}},
    }
    page.reload()
    expect(pane.locator(".remarks li")).to_have_count(4)


def test_a_call_is_copied_and_a_run_downloaded(
    open_page: OpenPage, record: Record, runs: viewed.Viewed
) -> None:
    call = decode(record, runs.berlin)
    page = open_page(f"run/{runs.berlin}?span={call.id}", permissions=["clipboard-read", "clipboard-write"])
    expect(page.get_by_role("button", name="Accept")).to_be_visible()
    page.keyboard.press("y")
    expect(page.get_by_role("status").filter(has_text="Copied as JSON")).to_be_visible()
    clipboard = "navigator.clipboard.readText()"
    assert json.loads(page.evaluate(clipboard))["parsed"] == call.parsed
    page.get_by_role("button", name="curl").click()
    expect(page.get_by_role("status").filter(has_text="curl command")).to_be_visible()
    assert page.evaluate(clipboard).startswith('curl -s "$OPENAI_BASE_URL/chat/completions"')
    page.locator("summary").filter(has_text="Export").click()
    with page.expect_download() as loading:
        page.get_by_role("link", name="OpenAI chat JSONL").click()
    lines = [json.loads(line) for line in loading.value.path().read_text(encoding="utf-8").splitlines()]
    assert any("query_table" in json.dumps(line["messages"][-1]) for line in lines)


# ---- doing it again ----


def test_a_run_is_replayed(open_page: OpenPage, runs: viewed.Viewed) -> None:
    page = open_page(f"run/{runs.berlin}")
    expect(page.get_by_role("heading", level=1)).to_have_text(viewed.BERLIN)
    page.keyboard.press("r")
    dialog = page.get_by_role("dialog", name="Replay from the record")
    expect(dialog.get_by_text("Identical", exact=True)).to_be_visible()
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    expect(dialog).to_have_count(0)


def test_a_step_is_forked_and_compared_with_its_origin(
    open_page: OpenPage, record: Record, runs: viewed.Viewed
) -> None:
    page = open_page(f"run/{runs.berlin}?span={decode(record, runs.berlin).id}")
    expect(page.get_by_role("button", name="Fork")).to_be_visible()
    page.keyboard.press("f")
    dialog = page.get_by_role("dialog", name="Fork from step 1")
    expect(dialog.get_by_label("Expert").get_by_role("option", name="organizer")).to_be_attached()
    dialog.get_by_role("button", name="Fork", exact=True).click()
    expect(page.locator(".run-facts")).to_contain_text("forked from step 1", timeout=60_000)
    assert runs.berlin not in page.url
    page.get_by_role("link", name="compare", exact=True).click()
    expect(page).to_have_url(re.compile(rf"#/diff\?a={runs.berlin}"))
    expect(page.get_by_role("main").get_by_text(viewed.BERLIN).first).to_be_visible()


def test_a_dataset_is_built_from_the_filter(open_page: OpenPage) -> None:
    page = open_page("runs?expert=tables&user=ana", answers=(400,))
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("b")
    dialog = page.get_by_role("dialog", name="Build a dataset")
    expect(dialog.get_by_label("Expert")).to_have_value("tables")
    expect(dialog.get_by_label("User")).to_have_value("ana")
    expect(dialog.get_by_role("checkbox", name="exact")).to_be_checked()
    dialog.get_by_label("Name").fill("tables-1")
    dialog.get_by_role("button", name="Build", exact=True).click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="tables-1"))
    expect(row).to_contain_text("openai")
    expect(row).to_contain_text("expert tables")
    expect(row.locator(".code")).to_have_text(re.compile(r"^[0-9a-f]{12}$"))
    page.keyboard.press("n")
    dialog.get_by_label("Name").fill("tables-1")
    dialog.get_by_role("button", name="Build", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("tables-1")


# ---- looks, places, names ----


def test_the_theme_is_the_systems_until_it_is_chosen(open_page: OpenPage) -> None:
    dark = "rgb(19, 20, 23)"
    light = "rgb(247, 247, 245)"
    page = open_page(color_scheme="dark")
    expect(page.locator("body")).to_have_css("background-color", dark)
    page.keyboard.press("Shift+T")
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", light)
    page.get_by_role("button", name="Theme: light").click()
    expect(page.locator("body")).to_have_css("background-color", dark)
    page.emulate_media(color_scheme="light")
    page.reload()
    expect(page.locator("body")).to_have_css("background-color", dark)
    page.get_by_role("button", name="Theme: dark").click()
    expect(page.locator("body")).to_have_css("background-color", light)


def test_the_url_restores_the_view_and_back_works(
    open_page: OpenPage, record: Record, runs: viewed.Viewed
) -> None:
    page = open_page("runs?expert=tables")
    # The whole list has this row too, elsewhere.
    expect(rows(page).first).to_be_visible()
    expect(rows(page).filter(has_text=viewed.ROME)).to_have_count(0)
    rows(page).filter(has_text=viewed.BOTH).click()
    page.get_by_role("tab", name="Tree").click()
    spans(page).filter(has_text="create_reminder").last.click()
    pane = page.get_by_role("complementary", name="Details")
    heading = pane.get_by_role("heading", level=2)
    expect(heading).to_have_text("create_reminder")
    page.reload()
    expect(heading).to_have_text("create_reminder")
    expect(page.get_by_role("tab", name="Tree")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(rows(page).filter(has_text=viewed.BOTH)).to_have_count(1)
    expect(page.get_by_label("Expert")).to_have_value("tables")
    page.go_forward()
    expect(heading).to_have_text("create_reminder")


def places(record: Record, runs: viewed.Viewed) -> list[str]:
    """Every view, and the panes of a run."""
    call = decode(record, runs.berlin)
    return [
        "runs",
        "runs?q=nothing-has-this-word",
        f"run/{runs.both}",
        f"run/{runs.milk}?span=about",
        f"run/{runs.berlin}?view=waterfall",
        f"run/{runs.berlin}?view=tree&span={call.id}",
        f"run/{runs.berlin}?view=tree&span={call.id + 1}",
        f"run/{runs.rome}",
        "search?q=dentist",
        "experts",
        "expert/organizer",
        "expert/tables",
        "stats",
        "ledger",
        "datasets",
        "datasets?build=1",
        f"diff?a={runs.both}&b={runs.berlin}",
        "nowhere",
    ]


def settle(page: Page) -> None:
    """Waits until the page has asked for what it shows, and has it."""
    page.wait_for_load_state("load")
    painted(page)
    expect(page.get_by_text(re.compile(r"^(Loading|Searching|Comparing)…$"))).to_have_count(0)
    expect(page.locator("main")).to_be_visible()
    painted(page)


def painted(page: Page) -> None:
    """Waits for two frames and what runs after them."""
    page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    )


def test_everything_has_a_name(open_page: OpenPage, record: Record, runs: viewed.Viewed) -> None:
    page = open_page()
    for place in places(record, runs):
        go(page, place)
        settle(page)
        tree = page.locator("body").aria_snapshot()
        assert not UNNAMED.findall(tree), (place, UNNAMED.findall(tree))
        assert "heading" in tree, place
    assert UNNAMED.findall("- button\n- link:\n  - /url: x\n- textbox [disabled]") != []


def test_a_phones_width_is_enough(open_page: OpenPage, record: Record, runs: viewed.Viewed) -> None:
    page = open_page(viewport={"width": 390, "height": 800}, has_touch=True)
    for place in (*places(record, runs), f"run/{runs.hostile}", "runs?status=failed"):
        go(page, place)
        settle(page)
        assert page.evaluate(WIDE) == [], place
    go(page, "runs")
    rows(page).filter(has_text=viewed.BERLIN).first.tap()
    page.get_by_role("button", name=re.compile("^Step 1")).tap()
    back = page.get_by_role("button", name="Back to the run")
    expect(back).to_be_visible()
    back.tap()
    expect(back).not_to_be_visible()


# ---- hostile content ----


def test_hostile_content_stays_text(open_page: OpenPage, record: Record, runs: viewed.Viewed) -> None:
    page = open_page("runs?status=failed", answers=(404,))
    interactions = record.run(runs.hostile).interactions

    def nothing_of_it_works() -> None:
        settle(page)
        assert page.evaluate(LOUD) == []
        assert (
            page.locator("body :is(script, img, iframe, object, embed, base, [onload], [onerror])").count()
            == 0
        )
        targets = page.evaluate("[...document.querySelectorAll('a')].map((one) => one.href)")
        assert all(target.startswith(page.url.partition("#")[0]) for target in targets)

    expect(rows(page).filter(has_text="<script>")).to_have_count(1)
    nothing_of_it_works()
    rows(page).filter(has_text="<script>").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x onerror=")
    for view in ("plan", "waterfall", "tree"):
        for span in ("", *(str(one.id) for one in interactions)):
            go(page, f"run/{runs.hostile}?view={view}&span={span}")
            if span:
                expect(page.get_by_role("button", name="Comment", exact=False).first).to_be_visible()
            nothing_of_it_works()
    page.get_by_role("button", name=re.compile(r"show all 2\d,\d{3} characters")).first.click()
    expect(page.get_by_text("long long long ").first).to_be_visible()
    nothing_of_it_works()
    go(page, f"run/{runs.hostile}?span={interactions[1].id}")
    expect(page.locator(".remarks")).to_contain_text("⟨RLO⟩gnp.exe")
    closed = page.locator('.section-title[aria-expanded="false"]')
    while closed.count():
        closed.first.click()
    page.locator(".token").nth(1).hover()
    nothing_of_it_works()
    page.get_by_role("complementary").get_by_role("heading", level=2).get_by_role("link").press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    nothing_of_it_works()
    for place in (
        "search?q=script",
        "stats",
        f"diff?a={runs.hostile}&b={runs.berlin}",
        "runs?user=%3Cscript%3E",
    ):
        go(page, place)
        nothing_of_it_works()
    # What a person is given to edit is the call as it is; that it is not run is seen at the end.
    go(page, f"run/{runs.hostile}?span={interactions[1].id}")
    page.get_by_role("button", name="Correct").click()
    expect(page.get_by_role("textbox", name="Call as JSON")).to_have_value(re.compile("<script>"))
