"""One run as a page of its own: the viewer's page with the run's data in it, for a browser alone."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from speeddial.record.database import as_json
from speeddial.record.forks import taken_over
from speeddial.viewer.bodies import interaction_body, run_body
from speeddial.viewer.bundle import STATIC, script, style_sheet

if TYPE_CHECKING:
    from speeddial.record import Record
    from speeddial.record.browse import RunSummary

# In JSON these stand inside strings alone, so that the text is the same for its reader. `<` could end the
# element or open a comment in it, the last two were line ends to older readers of scripts.
_ESCAPED = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"})


def write_page(record: Record, run: str, path: Path) -> None:
    """Write one run with all its interactions as an HTML file that needs nothing else.

    Args:
        run: its whole id.
        path: appears, or is replaced, when all of it is written.

    Raises:
        NotFound: there is no such run.
        OSError: the file cannot be written.
    """
    summary = record.browse.run(run)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    partial = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as page:
            head, tail = _frame()
            page.write(head)
            page.writelines(part.translate(_ESCAPED) for part in _data(record, summary))
            page.write(tail)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _data(record: Record, summary: RunSummary) -> Iterator[str]:
    """What ``static/api.js`` reads in place of the API, as JSON in parts."""
    run = summary.run
    # A fork shows what it took over, and people said what they said about that where it was done.
    taken = taken_over(record, run)
    said = record.feedback.of_interactions(row.id for row in taken)
    for remark in record.feedback.of_run(run.id):
        if remark.interaction is not None:
            said.setdefault(remark.interaction, []).append(remark)
    yield f'{{"written":{as_json(datetime.now(UTC).isoformat(timespec="milliseconds"))},"run":'
    yield from run_body(record, summary)
    yield ',"interactions":['
    before = ""
    for row in chain(taken, record.interactions_of(run)):
        yield before + as_json(interaction_body(row, said.get(row.id, ())))
        before = ","
    yield "]}"


def _frame() -> tuple[str, str]:
    """The page up to its data and after them."""
    code, style = f"\n{script()}", f"\n{style_sheet()}"
    policy = (
        f"default-src 'none'; script-src {_hash(code)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    icon = quote((STATIC / "icon.svg").read_text(encoding="utf-8"))
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    for tag, inlined in (
        # First of all, so that it holds for what follows.
        ("<head>", f'<head>\n<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        ('href="icon.svg"', f'href="data:image/svg+xml,{icon}"'),
        ('<link rel="stylesheet" href="app.css">', f"<style>{style}</style>"),
        ('<script type="module" src="app.js"></script>', f'<script type="module">{code}</script>'),
    ):
        page = page.replace(tag, inlined, 1)
    head, body_ends, tail = page.rpartition("</body>")
    return f'{head}<script type="application/json" id="record">', f"</script>\n{body_ends}{tail}"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
