"""Search: what is written is found, in any script, newest first; what was erased is not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from speeddial.record import Record
from speeddial.record.retention import erase_run
from speeddial.record.search import Hit
from speeddial.record.searchtext import SEAM, phrases, plain, snippet, split
from speeddial.record.selection import Selection

SECRET = "ghp_" + "Ab3dE6gHi9kLmN0pQrS7uVwXyZ012345"
SCRIPTS = {
    "latin": "abcdefgßáéîõüłşžæø",
    "cyrillic": "абвгдёжзийклмнопрстуфхцчшщъыьэюя",
    "greek": "αβγδεζηθλμξπρσφψωάέ",
    "arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
    "devanagari": "अआइईउऊकखगघचछजझटठडढतथदध",
    "han": "北京市有多少未付款的订单上海平均金额",
    "kana": "あいうえおカキクケコサシスセソ",
    "hangul": "가나다라마바사아자차카타파하",
    "thai": "กขคงจฉชซญดตถทธนบปผฝพ",
    "digits": "0123456789",
}
WORD = st.sampled_from(sorted(SCRIPTS)).flatmap(lambda name: st.text(SCRIPTS[name], min_size=1, max_size=8))
BETWEEN = st.sampled_from([" ", ", ", "\n", ". ", " - ", '"', "/", "\t"])


@pytest.fixture
def record(place: str, tmp_path: Path) -> Iterator[Record]:
    with Record.open(place, folder=tmp_path) as opened:
        yield opened


def said(record: Record, run: str, *messages: str, **columns: Any) -> int:
    """One finished decode."""
    asked = record.start_interaction(
        run,
        "model",
        step=1,
        expert=columns.pop("expert", "adder"),
        messages=[{"role": "user", "content": text} for text in messages],
    )
    record.finish_interaction(asked, columns.pop("status", "exact"), **columns)
    return asked


def places(hits: list[Hit]) -> list[tuple[str, int | None]]:
    return [(hit.run, hit.interaction) for hit in hits]


def marked(hit: Hit) -> list[str]:
    return [text for text, found in hit.snippet if found]


FIELDS = ("task", "answer", "message", "raw", "argument", "result", "text", "error")


def write(record: Record, field: str, text: str) -> str:
    """A run that has `text` in one field."""
    run = record.begin_run(text if field == "task" else "x")
    if field in ("message", "raw", "error"):
        said(
            record,
            run,
            *([text] if field == "message" else []),
            **{field: text} if field != "message" else {},
        )
    if field in ("argument", "result", "text"):
        tool = record.start_interaction(
            run, "tool", tool="note", arguments={"a": [{"b": text}]} if field == "argument" else None
        )
        record.finish_interaction(
            tool,
            "done",
            result={"x": text} if field == "result" else None,
            text=text if field == "text" else "",
        )
    record.finish_run(run, "done", answer=text if field == "answer" else "")
    return run


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    field=st.sampled_from(FIELDS),
    words=st.lists(WORD, min_size=1, max_size=6),
    between=st.lists(BETWEEN, min_size=6, max_size=6),
    data=st.data(),
)
def test_what_is_written_is_found(
    record: Record, field: str, words: list[str], between: list[str], data: st.DataObject
) -> None:
    text = "".join(word + gap for word, gap in zip(words, between, strict=False))
    run = write(record, field, text)
    recorded = record.run(run)
    if text not in json.dumps(recorded.as_dict(), ensure_ascii=False) and json.dumps(text)[1:-1] not in (
        json.dumps(recorded.as_dict())
    ):
        return  # something in it was redacted
    word = data.draw(st.sampled_from(words))
    for query in (word, word.upper() if word.upper().lower() == word else word, f'"{word}"', f"{word[:2]}*"):
        found = record.search(query, limit=500)
        assert run in {hit.run for hit in found}, query
    assert run in {one.run.id for one in record.browse.runs(text=word, limit=500)}


@settings(deadline=None, max_examples=40)
@given(st.text(SCRIPTS["han"], min_size=2, max_size=20), st.data())
def test_any_part_of_chinese_is_found_and_what_is_not_there_is_not(
    tmp_path_factory: pytest.TempPathFactory, text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    part = text[start : data.draw(st.integers(start + 1, len(text)))]
    other = data.draw(st.text(SCRIPTS["han"], min_size=1, max_size=4))
    with Record.open(tmp_path_factory.mktemp("han") / "record.db") as record:
        record.begin_run(text)
        (hit,) = record.search(part)
        assert part in "".join(marked(hit)), hit.snippet
        assert "".join(piece for piece, _ in hit.snippet) == text
        assert len(record.search(other)) == (other in text)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    with Record.open(tmp_path_factory.mktemp("full") / "record.db") as opened:
        run = opened.begin_run("orders from Berlin and 北京")
        said(opened, run, "gen_ai body shared run rowid NEAR", raw='{"a":"b"}')
        opened.index.update()
        yield opened


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60))
@example('"')
@example('" OR "')
@example("body : x")
@example("shared: 1")
@example("NEAR(a b, 2)")
@example("a AND NOT b OR (")
@example("* ^a -b +c {d} e:f*")
@example("\x00")
@example("\ud800")
@example("''' ; DROP TABLE runs --")
@example("!! ... **")
@example(SEAM)
@example("'a' & !b | c:* <-> \\")
@example("x" * 5000)
@example("a " * 2000)
def test_a_query_is_text_and_never_raises(full: Record, query: str) -> None:
    for hit in full.index.search(query):
        assert hit.snippet
    full.browse.runs(text=query)


def test_syntax_means_nothing(record: Record) -> None:
    run = record.begin_run("alpha beta")
    assert not record.search("alpha OR gamma")
    assert not record.search("NOT gamma")
    assert not record.search("body:alpha")
    assert places(record.search("beta alpha")) == [(run, None)]
    assert not record.search('"beta alpha"')
    assert places(record.search('"alpha beta"')) == [(run, None)]
    assert places(record.search('"alpha bet')) == []
    assert places(record.search("alph*")) == [(run, None)]
    assert not record.search("alph")
    assert not record.search("lpha*")


def test_escapes_do_not_hide_words(record: Record) -> None:
    run = record.begin_run("x")
    said(record, run, raw='{"name":"note","arguments":{"text":"\\u0434\\u043e\\u043c\\nnext line"}}')
    said(record, run, raw='{"text":"cut off \\u0434\\u0443')
    (hit,) = record.search("дом")
    assert marked(hit) == ["дом"]
    assert record.search("next")


def test_accents_and_case_do_not_matter(record: Record) -> None:
    record.begin_run("Café in MÜNCHEN, re\u0301sume\u0301")
    for query in ("cafe", "CAFÉ", "munchen", "münchen", "résumé", "resume"):
        assert record.search(query), query


def test_newest_come_first_in_pages(record: Record) -> None:
    runs = [record.begin_run(f"needle {number}") for number in range(25)]
    for run in runs:
        said(record, run, f"a needle in {run}")
    seen: list[Hit] = []
    before = None
    while page := record.search("needle", limit=7, before=before):
        seen += page
        before = page[-1].position
    positions = [hit.position for hit in seen]
    assert positions == sorted(set(positions), reverse=True)
    assert len(seen) == 50
    pages: list[str] = []
    while ids := [
        one.run.id for one in record.browse.runs(text="needle", limit=7, before=(pages or [None])[-1])
    ]:
        pages += ids
    assert pages == sorted(runs, reverse=True)


def test_a_page_of_runs_is_complete_where_runs_overlap(record: Record) -> None:
    old = record.begin_run("first of all")
    for number in range(300):
        run = record.begin_run(f"short {number}")
        said(record, run, f"needle {number}")
        for again in range(5):
            said(record, old, f"needle {number} {again}")
    record.search("needle")
    found: list[str] = []
    while page := [
        one.run.id for one in record.browse.runs(text="needle", limit=40, before=(found or [None])[-1])
    ]:
        found += page
    assert found == sorted(found, reverse=True)
    assert len(found) == 301
    assert old in found


def test_a_message_that_is_sent_again_is_indexed_once(record: Record) -> None:
    runs = [record.begin_run("x") for _ in range(3)]
    system = "You are a most peculiar adder."
    first = [said(record, run, system, f"turn one of {run}") for run in runs]
    for run in runs:
        said(record, run, system, f"turn one of {run}", "turn two")
    hits = record.search("peculiar")
    assert places(hits) == [(run, asked) for run, asked in zip(runs, first, strict=True)][::-1]
    assert [marked(hit) for hit in hits] == [["peculiar"]] * 3
    (row,) = record.database.read("SELECT count(*) FROM search_text WHERE body LIKE '%peculiar%'")
    assert row[0] == 1
    assert len(record.search('"turn two"')) == 3
    for hit in record.search("peculiar", limit=1):
        assert len(record.search("peculiar", before=hit.position)) == 2


def test_what_ends_later_is_seen(record: Record) -> None:
    run = record.begin_run("begun")
    asked = record.start_interaction(run, "tool", tool="note", arguments={"text": "early"})
    assert places(record.search("early")) == [(run, asked)]
    assert not record.search("afterwards")
    record.finish_interaction(asked, "done", text="and afterwards")
    assert places(record.search("afterwards")) == [(run, asked)]
    assert places(record.search("early")) == [(run, asked)]
    record.finish_run(run, "limit", answer="half of it")
    assert places(record.search("half")) == [(run, None)]
    record.resume_run(run)
    record.finish_run(run, "done", answer="all of it")
    assert not record.search("half")
    assert places(record.search("all begun")) == [(run, None)]


def test_filters_hold_for_hits(record: Record) -> None:
    ana = record.begin_run("needle", user="ana", workflow="nightly")
    bo = record.begin_run("needle", user="bo")
    by_adder = said(record, ana, "needle here")
    by_mail = said(record, bo, "needle here", expert="mail", status="refused")
    record.finish_run(ana, "done")

    def found(**wanted: Any) -> list[tuple[str, int | None]]:
        return places(record.search("needle", selection=Selection(**wanted)))

    assert found(user="ana") == [(ana, by_adder), (ana, None)]
    assert found(runs=(bo,)) == [(bo, by_mail), (bo, None)]
    assert found(expert="mail") == [(bo, by_mail)]
    assert found(statuses=("refused",)) == [(bo, by_mail)]
    assert found(run_statuses=("done",)) == [(ana, by_adder), (ana, None)]
    assert found(workflow="nightly", expert="mail") == []
    now = datetime.now(UTC)
    assert len(found(since=now - timedelta(hours=1), until=now + timedelta(hours=1))) == 4
    assert found(since=now + timedelta(hours=1)) == found(until=now - timedelta(hours=1)) == []
    assert [one.run.id for one in record.browse.runs(Selection(expert="mail"), text="needle")] == [bo]
    assert [one.run.id for one in record.browse.runs(Selection(user="ana"), text="needle")] == [ana]


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    with Record.open(path) as record:
        runs = [record.begin_run(f"task of {name}") for name in ("xylophone", "marimba")]
        for run in runs:
            said(record, run, "shared glockenspiel", f"only {run}")
        said(record, runs[0], raw="celesta")
        assert len(record.search("glockenspiel")) == 2
        record.index.forget([runs[0]])
        assert not record.index.search("xylophone")
        assert not record.index.search("celesta")
        assert [hit.run for hit in record.index.search("glockenspiel")] == [runs[1]]
        assert [hit.run for hit in record.index.search("marimba")] == [runs[1]]
        blocks = record.database.read("SELECT block FROM search_text_data")
        assert not any(b"xylophon" in bytes(row[0]) or b"elesta" in bytes(row[0]) for row in blocks)
        assert any(b"marimba" in bytes(row[0]) for row in blocks)
        record.index.forget([runs[1]])
        assert not record.index.search("glockenspiel")
        assert record.database.read("SELECT count(*) FROM search_documents")[0][0] == 0


def test_erasing_a_run_takes_it_out_of_the_index(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    with Record.open(path) as record:
        gone, kept = record.begin_run("xylophone"), record.begin_run("other")
        said(record, gone, "marimba", raw="celesta")
        said(record, kept, "marimba")
        for run in (gone, kept):
            record.finish_run(run, "done")
        assert len(record.search("marimba")) == 2
        erase_run(record, gone)
        assert [hit.run for hit in record.search("marimba")] == [kept]
        assert not record.search("xylophone") and not record.search("celesta")
    for file in tmp_path.rglob("*"):
        # The first letters of a word are cut off where the index's word before it has the same.
        assert not file.is_file() or not re.search(b"ylophon|elest", file.read_bytes()), file


def test_what_is_erased_while_it_is_read_is_not_indexed(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = record.begin_run("xylophone")
    said(record, run, "marimba")
    record.search("nothing")
    said(record, run, "celesta")
    index = record.index
    read, done = index._ended, []

    def ended() -> list[Any]:
        # Between the reads of a step and its writes, another process erases the run.
        if not done:
            done.append(True)
            with record.database.writing() as db:
                index.forget([run])
                for table in ("interactions", "runs"):
                    db.execute(f"DELETE FROM {table}")
        return read()

    monkeypatch.setattr(index, "_ended", ended)
    for word in ("celesta", "xylophone", "marimba"):
        assert not record.search(word)


def test_secrets_are_not_in_the_index(record: Record) -> None:
    run = record.begin_run(f"use {SECRET} for it")
    said(record, run, f"key {SECRET}", raw=json.dumps({"key": SECRET}))
    assert record.search("use it")
    assert not record.search(SECRET)
    bodies = [row["body"] for row in record.database.read("SELECT body FROM search_text")]
    assert bodies and not any(SECRET in body for body in bodies)


WORKER = """
import sys
from speeddial.record import Record

path, name = sys.argv[1:]
with Record.open(path) as record:
    for number in range(60):
        run = record.begin_run(f"task {name} {number}")
        asked = record.start_interaction(
            run, "model", messages=[{"role": "user", "content": f"needle {name} {number}"},
                                    {"role": "system", "content": "the same system prompt"}])
        record.index.update(0.01)
        record.finish_interaction(asked, "exact", raw=f"raw{name}x{number}")
        record.finish_run(run, "done")
"""


def test_processes_may_index_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    with Record.open(path) as record:
        workers = [
            subprocess.Popen([sys.executable, "-c", WORKER, str(path), name])
            for name in ("one", "two", "three")
        ]
        while any(worker.poll() is None for worker in workers):
            record.index.update(0.01)
        assert [worker.returncode for worker in workers] == [0, 0, 0]
        for name in ("one", "two", "three"):
            for number in range(60):
                assert len(record.search(f'"needle {name} {number}"')) == 1
                assert len(record.search(f"raw{name}x{number}")) == 1
                assert len(record.search(f'"task {name} {number}"')) == 1
        assert len(record.search("system prompt", limit=500)) == 180
        rows = record.database.read(
            "SELECT run, interaction, kind, text, count(*) FROM search_documents"
            " GROUP BY run, interaction, kind, text HAVING count(*) > 1"
        )
        assert not rows


def test_a_step_without_news_writes_nothing(record: Record) -> None:
    said(record, record.begin_run("x"), "needle")
    record.index.update()
    record.finish_run(record.runs()[0].id, "done")
    record.index.update()
    before = record.database.read("SELECT * FROM search_state")
    record.index.update()
    assert [tuple(row) for row in record.database.read("SELECT * FROM search_state")] == [
        tuple(row) for row in before
    ]


@given(st.text())
def test_splitting_only_adds_seams(text: str) -> None:
    import unicodedata

    whole = unicodedata.normalize("NFC", text.replace(SEAM, ""))
    control = {chr(code) for code in (*range(9), 11, 12, *range(14, 32), 127)}
    assert split(text).replace(SEAM, "") == "".join(" " if one in control else one for one in whole)
    assert split(split(text)) == split(text)


@given(st.text(max_size=300), st.text(max_size=10))
def test_a_snippet_is_a_part_of_the_text(text: str, query: str) -> None:
    body = split(text)
    pieces = snippet(body, phrases(query))
    shown = "".join(piece for piece, _ in pieces).strip("…")
    assert shown in body.replace(SEAM, "")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_plain_text_has_every_string_of_a_value(value: Any) -> None:
    text = plain(value)

    def strings(item: Any) -> Iterator[str]:
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            for part in item:
                yield from strings(part)
        elif isinstance(item, dict):
            for name, part in item.items():
                yield name
                yield from strings(part)

    assert all(string in text for string in strings(value))


def test_deep_nesting_is_no_trouble() -> None:
    value: Any = "bottom"
    for _ in range(5000):
        value = [value]
    assert plain(value) == "bottom"
