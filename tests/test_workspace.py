"""The workspace: files change whole or not at all, names stay inside, effects are remembered with them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speeddial.errors import ToolError
from speeddial.workspace import Ledger, inside, slug, write_whole

_REWRITER = """
import sys
from pathlib import Path
from speeddial.workspace import write_whole
path = Path(sys.argv[1])
for number in range(100_000):
    write_whole(path, str(number % 10).encode() * 300_000)
"""


def test_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    for _ in range(5):
        write_whole(path, b"x" * 300_000)
        writer = subprocess.Popen([sys.executable, "-c", _REWRITER, str(path)])
        deadline = time.monotonic() + 60
        while path.read_bytes()[:1] == b"x" and time.monotonic() < deadline:
            time.sleep(0.01)
        writer.kill()
        writer.wait()
        content = path.read_bytes()
        assert len(content) == 300_000 and len(set(content)) == 1


@example("000000000000" + 15 * "ऄ" + ":ऄ")  # cut where a "-" stood
@given(st.text(max_size=200))
def test_name_is_one_harmless_file_name_or_refused(name: str) -> None:
    try:
        made = slug(name)
    except ToolError:
        assert not any(char.isalnum() for char in name.casefold())
        return
    assert made == Path(made).name and not made.startswith((".", "-"))
    assert len(made.encode()) <= 60 and made.replace("-", "").isalnum()
    assert slug(made) == made


def test_link_on_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "lists").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(ToolError, match="is a link"):
        inside(workspace, "lists", "a.md")


@given(st.lists(st.tuples(st.text(max_size=20), st.dictionaries(st.text(), st.text())), max_size=8))
def test_ledger_gives_back_the_last_result_of_a_key(effects: list[tuple[str, dict[str, str]]]) -> None:
    ledger = Ledger()
    for key, result in effects:
        ledger.add(key, result)
    again = Ledger(ledger.entries)
    assert all("\n" not in entry and "-" not in entry and ">" not in entry for entry in again.entries)
    for key, result in dict(effects).items():
        assert again.result_of(key) == result
    assert again.result_of("a key of nobody, ever") is None
