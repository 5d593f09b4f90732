"""The viewer's page in a real browser, on runs of the embedded models: what is to be seen in it."""

from __future__ import annotations

import re
import threading

import pytest
import viewed
from playwright.sync_api import Browser, expect
from viewing import OpenPage, chromium, decode, go, rows, spans

from speeddial import Runner
from speeddial.record import Record
from speeddial.viewer.server import Viewer

pytest_plugins = ["viewer_fixtures"]
pytestmark = pytest.mark.browser
MOST_ROWS = 200
"""Rows of a list that may exist at once, however long it is."""


# ---- entering ----


def test_without_chromium_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.fail.Exception, match="need a browser: apt-get install chromium"):
        chromium()


def test_a_link_opens_the_page_in_one_browser(open_page: OpenPage, browser: Browser, viewer: Viewer) -> None:
    link = viewer.link
    page = open_page()
    assert page.url in (f"http://127.0.0.1:{viewer.port}/", f"http://127.0.0.1:{viewer.port}/#/runs")
    expect(rows(page).first).to_be_visible()
    page.reload()
    expect(rows(page).first).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    other = browser.new_context()
    answer = other.new_page().goto(link)
    assert answer is not None and answer.status == 401
    other.close()


def test_without_a_link_the_page_says_what_to_do(browser: Browser, viewer: Viewer) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{viewer.port}/")
    expect(page.get_by_role("alert")).to_contain_text("token")
    expect(page.get_by_role("alert")).to_contain_text("speeddial view")
    context.close()


# ---- the list of runs ----


def test_the_list_says_who_was_phoned_and_how_it_ended(open_page: OpenPage) -> None:
    page = open_page()
    row = rows(page).filter(has_text=viewed.BOTH)
    expect(row).to_contain_text("done")
    expect(row).to_contain_text("organizer")
    expect(row).to_contain_text("tables")
    expect(row).to_contain_text("ana")
    expect(rows(page).filter(has_text=viewed.ROME)).to_contain_text("failed")
    expect(rows(page).filter(has_text=viewed.MILK)).to_contain_text("waiting")


def test_a_run_that_begins_appears_and_ends_by_itself(open_page: OpenPage, runner: Runner) -> None:
    page = open_page()
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    task = "Add eggs to the shopping list."
    work = threading.Thread(target=runner.run_sync, args=(task,))
    work.start()
    row = rows(page).filter(has_text=task)
    expect(row).to_have_count(1)
    expect(row).to_have_attribute("aria-posinset", "1")
    # As long as two models take on a busy machine.
    expect(row).to_contain_text("done", timeout=60_000)
    expect(row).to_contain_text("organizer")
    work.join()


def test_an_open_run_fills_as_it_goes_on(open_page: OpenPage, record: Record) -> None:
    run = record.begin_run("a slow one")
    page = open_page(f"run/{run}?view=tree")
    expect(page.get_by_text("Nothing happened yet")).to_be_visible()
    asked = record.start_interaction(run, "model", step=1, expert="organizer")
    expect(spans(page).filter(has_text="organizer").last).to_contain_text("organizer")
    expect(page.get_by_role("img", name="running").first).to_be_visible()
    record.finish_interaction(asked, "exact", raw="{}")
    record.finish_run(run, "done", answer="at last")
    expect(page.get_by_role("complementary")).to_contain_text("at last")
    expect(page.get_by_role("img", name="running")).to_have_count(0)


def test_search_and_filters_narrow_the_list_and_stand_in_the_url(open_page: OpenPage) -> None:
    page = open_page()
    search = page.get_by_role("searchbox", name="Search in tasks")
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("dentist")
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=dentist"))
    page.get_by_role("button", name="Clear filters").click()
    expect(rows(page).nth(3)).to_be_visible()
    page.get_by_label("Status").select_option("waiting")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text(viewed.MILK)
    page.get_by_label("Status").select_option("")
    page.get_by_label("Expert").select_option("tables")
    expect(rows(page)).to_have_count(2)
    page.get_by_role("searchbox", name="User").fill("nobody")
    expect(page.get_by_text("No run matches these filters")).to_be_visible()
    page.get_by_role("button", name="Clear filters").first.click()
    page.get_by_role("searchbox", name="Workflow").fill("nightly")
    expect(rows(page).first).to_contain_text("filler")
    page.get_by_label("Time").select_option("1h")
    expect(page).to_have_url(re.compile(r"workflow=nightly.*since=1h"))
    page.reload()
    expect(rows(page).first).to_contain_text("filler")
    expect(page.get_by_role("searchbox", name="Workflow")).to_have_value("nightly")


def test_scrolling_brings_older_runs_in_few_elements(open_page: OpenPage, runs: viewed.Viewed) -> None:
    page = open_page("runs?workflow=nightly")
    expect(rows(page).first).to_have_attribute("aria-setsize", "50")
    box = page.get_by_role("listbox", name="Runs")
    for size in (100, runs.fillers):
        box.evaluate("box => { box.scrollTop = box.scrollHeight }")
        expect(rows(page).last).to_have_attribute("aria-setsize", str(size))
    box.evaluate("box => { box.scrollTop = box.scrollHeight }")
    expect(rows(page).last).to_have_attribute("aria-posinset", str(runs.fillers))
    expect(rows(page).last).to_be_visible()
    assert rows(page).count() <= MOST_ROWS


def test_the_list_is_walked_by_keys(open_page: OpenPage, runs: viewed.Viewed) -> None:
    page = open_page("runs?expert=tables")
    expect(rows(page)).to_have_count(2)
    chosen = page.locator('[role="option"][aria-selected="true"]')
    page.keyboard.press("j")
    expect(chosen).to_contain_text(viewed.BOTH)
    page.keyboard.press("j")
    expect(chosen).to_contain_text(viewed.BERLIN)
    page.keyboard.press("k")
    expect(chosen).to_contain_text(viewed.BOTH)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"#/run/{runs.both}"))
    expect(page.get_by_role("heading", level=1)).to_have_text(viewed.BOTH)
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"#/runs"))
    for key, title in (("s", "Search"), ("e", "Experts"), ("t", "Experts and generalist"), ("d", "Datasets")):
        # The search view takes the keyboard for its field.
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_role("heading", level=1, name=title, exact=True)).to_be_visible()


def test_the_next_key_is_for_the_place_gone_to(open_page: OpenPage) -> None:
    """However fast it comes: what keys lead to is there before anything else can happen."""
    page = open_page()
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("dentist")
    page.keyboard.press("Escape")
    assert page.evaluate("location.hash").endswith("q=dentist")
    focused = page.evaluate("""async () => {
      for (const key of ["g", "s"])
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      for (let turn = 0; turn < 5; turn++) await null;
      return document.activeElement.getAttribute("aria-label");
    }""")
    assert focused == "Search the whole record"
    page.keyboard.type("milk")
    page.go_back()
    expect(rows(page)).to_have_count(1)
    assert page.evaluate("location.hash").endswith("q=dentist")


def test_help_lists_the_keys_of_the_view(open_page: OpenPage) -> None:
    page = open_page()
    expect(rows(page).first).to_be_visible()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    for words in ("next", "open the run", "build a dataset from the filter", "this help", "light or dark"):
        expect(dialog.get_by_text(words, exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_dialog_does_not_outlive_its_place(open_page: OpenPage) -> None:
    page = open_page()
    page.keyboard.press("g")
    page.keyboard.press("e")
    expect(page.get_by_role("heading", level=1, name="Experts", exact=True)).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.go_back()
    expect(rows(page).first).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("j")
    expect(rows(page).first).to_have_attribute("aria-selected", "true")


# ---- a run ----


def test_a_run_is_its_plan(open_page: OpenPage, runs: viewed.Viewed) -> None:
    page = open_page(f"run/{runs.both}", viewport={"width": 1500, "height": 900})
    graph = page.get_by_role("group", name="Plan graph")
    planner = graph.get_by_role("button", name=re.compile(r"^planner: .*, exact$"))
    steps = [
        graph.get_by_role("button", name=re.compile(rf"^Step {number}, {expert}: .*, exact$"))
        for number, expert in ((1, "tables"), (2, "organizer"))
    ]
    answer = graph.get_by_role("button", name=re.compile(r"^answer: .*, done$"))
    boxes = [node.bounding_box() for node in (planner, *steps, answer)]
    assert all(boxes)
    first, left, right, last = ((box["x"], box["y"]) for box in boxes if box)
    # Side by side, after the plan, before the answer, whichever way the drawing runs.
    axis = 0 if left[0] == right[0] else 1
    assert left[axis] == right[axis] and left[1 - axis] != right[1 - axis]
    assert first[axis] < left[axis] < last[axis]
    assert graph.locator(".edge").count() == 4
    steps[1].click()
    pane = page.get_by_role("complementary", name="Details")
    expect(pane.get_by_role("heading", level=2)).to_have_text("organizer")
    expect(steps[1]).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_url(re.compile(r"span=\d+"))
    page.keyboard.press("k")
    expect(pane.get_by_role("heading", level=2)).to_have_text("tables")
    answer.click()
    expect(pane).to_contain_text("reminder: Mon 2026-11-23 09:00")


def test_a_plan_says_what_nobody_serves_and_who_is_waited_for(
    open_page: OpenPage, runs: viewed.Viewed
) -> None:
    page = open_page(f"run/{runs.rome}")
    expect(page.locator(".node-missing")).to_contain_text("Translate hello into German")
    expect(page.get_by_role("heading", level=1)).to_have_text(viewed.ROME)
    go(page, f"run/{runs.milk}")
    expect(page.get_by_role("heading", level=1)).to_have_text(viewed.MILK)
    expect(page.get_by_role("complementary")).to_contain_text(f"speeddial resume {runs.milk}")


def test_a_run_is_a_waterfall_and_a_tree(open_page: OpenPage, runs: viewed.Viewed) -> None:
    page = open_page(f"run/{runs.both}")
    expect(page.get_by_role("tab", name="Plan")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("w")
    waterfall = page.get_by_role("tree", name="Waterfall")
    # The plan, two steps, and in each the decode and its tool.
    expect(waterfall.get_by_role("treeitem")).to_have_count(7)
    bars = waterfall.locator(".bar")
    assert bars.count() == 7
    for at in range(7):
        box = bars.nth(at).bounding_box()
        assert box and box["width"] >= 3
    expect(waterfall.locator(".bar-tool")).to_have_count(2)
    page.keyboard.press("t")
    tree = page.get_by_role("tree", name="Tree")
    expect(tree.get_by_role("treeitem")).to_have_count(7)
    levels = [item.get_attribute("aria-level") for item in tree.get_by_role("treeitem").all()]
    assert levels == ["1", "1", "2", "3", "1", "2", "3"]
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("ArrowLeft")
    expect(tree.get_by_role("treeitem")).to_have_count(5)
    page.keyboard.press("ArrowRight")
    expect(tree.get_by_role("treeitem")).to_have_count(7)
    page.keyboard.press("/")
    page.keyboard.type("create_reminder")
    expect(tree.get_by_role("treeitem").first).to_contain_text("create_reminder")
    expect(page.locator(".timeline-bar")).to_contain_text("of 7")
    tree.get_by_role("treeitem").last.click()
    expect(page.get_by_role("complementary").get_by_role("heading", level=2)).to_have_text("create_reminder")


def test_a_call_is_shown_token_by_token(open_page: OpenPage, record: Record, runs: viewed.Viewed) -> None:
    call = decode(record, runs.berlin)
    assert call.raw is not None
    page = open_page(f"run/{runs.berlin}?span={call.id}")
    tokens = page.locator(".token-text .token")
    expect(tokens).to_have_count(len(call.tokens))
    assert "".join(tokens.all_text_contents()) == call.raw
    look = "one => [getComputedStyle(one).opacity, getComputedStyle(one).backgroundColor]"
    forced = [at for at, (_, probability) in enumerate(call.tokens) if probability is None]
    free = sorted(
        (probability, at) for at, (_, probability) in enumerate(call.tokens) if probability is not None
    )
    # The pointer goes to the middle of a box, which is not on a token that is broken over two lines.
    least, pointed = next(
        (p, at) for p, at in free if tokens.nth(at).evaluate("one => one.getClientRects().length") == 1
    )
    assert forced and free[0][0] < free[-1][0]
    assert {tokens.nth(at).evaluate(look)[0] for at in forced} == {"0.78"}
    opacity, unsure = tokens.nth(free[0][1]).evaluate(look)
    _, sure = tokens.nth(free[-1][1]).evaluate(look)
    assert opacity == "1" and unsure != sure
    told = page.locator(".told")
    tokens.nth(pointed).hover()
    expect(told).to_contain_text(f"{least * 100:.1f} %")
    page.mouse.move(0, 0)
    expect(told).to_contain_text("least sure")
    page.get_by_role("group", name=re.compile("Output by token")).focus()
    page.keyboard.press("ArrowRight")
    first = min(at for _, at in free)
    expect(told).to_contain_text(f"{(call.tokens[first][1] or 0) * 100:.1f} %")


def test_a_call_shows_prompt_receipt_schema_and_result(
    open_page: OpenPage, record: Record, runs: viewed.Viewed
) -> None:
    page = open_page(f"run/{runs.berlin}?span={decode(record, runs.berlin).id}")
    pane = page.get_by_role("complementary", name="Details")
    expect(pane.get_by_role("button", name=re.compile("^Receipt"))).to_contain_text("constraint proven")
    expect(pane.locator(".message").last).to_contain_text(viewed.BERLIN)
    expect(pane.get_by_role("button", name=re.compile(r"^Call"))).to_contain_text("query_table")
    schema = page.get_by_role("button", name=re.compile("^Schema"))
    expect(schema).to_have_attribute("aria-expanded", "false")
    schema.click()
    expect(pane.locator(".section").filter(has=schema).locator(".code")).to_contain_text("query_table")
    page.get_by_role("navigation", name="In this step").get_by_role("button").last.click()
    expect(pane.get_by_role("heading", level=2)).to_have_text("query_table")
    expect(pane.locator(".section").filter(has_text="Result").first).to_contain_text("7")
    expect(pane.locator(".section").filter(has_text="Arguments").first).to_contain_text("Berlin")
    page.keyboard.press("Escape")
    expect(pane.get_by_role("button", name="Task")).to_be_visible()


def test_thirty_thousand_spans_open_and_scroll(open_page: OpenPage, record: Record) -> None:
    count = 30_000
    page = open_page(f"run/{viewed.many_spans(record, count)}")
    tree = page.get_by_role("tree", name="Waterfall")
    # Three hundred steps stand over the calls.
    expect(spans(page).first).to_have_attribute("aria-setsize", str(count + 300))
    assert spans(page).count() <= MOST_ROWS
    for share in (0.25, 0.5, 1):
        tree.evaluate(
            "(box, share) => { box.scrollTop = share * (box.scrollHeight - box.clientHeight) }", share
        )
        place = round((count + 300) * share)
        expect(page.locator(f'[role="treeitem"][aria-posinset="{place}"]')).to_be_visible()
        assert spans(page).count() <= MOST_ROWS
    spans(page).last.click()
    expect(page.get_by_role("complementary").get_by_role("heading", level=2)).to_have_text("show_list")
    page.keyboard.press("/")
    page.keyboard.type('"n": 17')
    expect(page.locator(".timeline-bar")).to_contain_text(f"of {count + 300}")
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    expect(page.get_by_role("group", name="Plan graph")).to_be_visible()


# ---- figures ----


def test_savings_set_experts_against_the_generalist(open_page: OpenPage) -> None:
    page = open_page("stats")
    expect(page.locator(".card").filter(has_text="Served by experts")).to_contain_text("model calls")
    expect(page.locator(".card").filter(has_text="Saved")).to_contain_text("tokens")
    for title, name in (("Experts", "tables"), ("Generalist", "planner"), ("Tools", "query_table")):
        part = page.locator(".table-part").filter(has=page.get_by_role("heading", name=title, exact=True))
        row = part.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))
        expect(row.first.get_by_role("img")).to_have_accessible_name(re.compile(r"exact \d|no calls"))
    page.get_by_role("button", name="24 hours").click()
    expect(page).to_have_url(re.compile(r"since=24h"))
    expect(page.get_by_role("button", name="24 hours")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="tables", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("tables")


def test_an_expert_has_versions_calibration_and_hard_cases(open_page: OpenPage) -> None:
    page = open_page("experts")
    page.get_by_role("link", name=re.compile("^organizer")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("organizer")
    chart = page.get_by_role("img", name=re.compile(r"right calls by confidence.*\d+ % right of \d+ call"))
    expect(chart).to_be_visible()
    assert chart.locator(".dot").count() >= 3
    expect(page.locator(".versions")).to_contain_text("serving")
    cases = page.locator(".cases li")
    words = " ".join(cases.locator(".case-word").all_text_contents())
    assert {"refused", "corrected", "escalated"} <= set(words.split())
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"#/run/.*span=\d+"))
    expect(page.get_by_role("complementary").get_by_role("heading", level=2)).to_have_text("organizer")


def test_two_marked_runs_are_set_side_by_side(open_page: OpenPage, runs: viewed.Viewed) -> None:
    page = open_page("runs?expert=tables")
    expect(rows(page)).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("status").filter(has_text="Comparing")).to_contain_text(viewed.BOTH)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page).to_have_url(re.compile(rf"#/diff\?a={runs.both}&b={runs.berlin}"))
    for task in (viewed.BOTH, viewed.BERLIN):
        expect(page.get_by_role("main").get_by_text(task, exact=True).first).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("organizer")


def test_search_marks_what_it_found(open_page: OpenPage, runs: viewed.Viewed) -> None:
    page = open_page("search")
    box = page.get_by_role("searchbox", name="Search the whole record")
    expect(box).to_be_focused()
    page.keyboard.type("dentist")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=dentist$"))
    hits = page.locator(".hits li")
    expect(hits.first).to_be_visible()
    marked = page.locator(".hits mark")
    assert {text.lower() for text in marked.all_text_contents()} == {"dentist"}
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"#/run/"))
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("dentist")
    page.get_by_role("searchbox").fill("xylophone")
    expect(page.get_by_text("Nothing in the record has these words")).to_be_visible()
