"""Lists in `workspace/lists/NAME.md`: Markdown check lists that a person can read and edit by hand.

The file's last lines are comments with the results of the last calls, so that an item is not added twice when
a call is repeated after a kill. A deleted list is moved to `lists/.deleted`: a person can take it back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from speeddial import ToolContext, ToolError, tool
from speeddial.values import Phrase
from speeddial.workspace import Ledger, inside, locked, slug, write_whole

FOLDER = "lists"
DEFAULT = "to do"
"""The list that is meant when none is named."""

Names = list[str]
Paths = list[Path]

_ITEM = re.compile(r"[-*+] (?:\[[ xX]\] )?(.*)")
_LEDGER = re.compile(r"<!-- speeddial (.*) -->")


class ListChange(BaseModel):
    """What a call did to a list."""

    produces: ClassVar[frozenset[str]] = frozenset({"text"})

    name: str
    did: str
    """created, added, removed or deleted."""
    items: list[str] = []
    already: list[str] = []
    """Items that stood there before."""
    count: int
    """Items in the list now."""

    def __str__(self) -> str:
        if self.did in ("created", "deleted"):
            return f"List {self.name!r} {self.did}."
        text = (
            f"List {self.name!r}: {', '.join(self.items)} {self.did}" if self.items else f"List {self.name!r}"
        )
        there = f"; {', '.join(self.already)} already there" if self.already else ""
        return f"{text}{there} ({self.count} now)."


class ListContent(BaseModel):
    """The items of a list, or the names of all lists."""

    produces: ClassVar[frozenset[str]] = frozenset({"table", "text"})

    name: str = ""
    """Empty when these are the names of all lists."""
    items: list[str]

    def __str__(self) -> str:
        if not self.items:
            return f"List {self.name!r} is empty." if self.name else "There are no lists."
        head = f"{self.name}:" if self.name else "Lists:"
        return "\n".join([head, *(f"- {item}" for item in self.items)])


Items = Annotated[list[Phrase], Field(min_length=1, max_length=30)]


@tool(effect="write")
def add_to_list(context: ToolContext, items: Items | None = None, list: Phrase | None = None) -> ListChange:
    """Add items to a list, which is made when it is not there; without items, just make the list.

    Args:
        items: what to add.
        list: the list's name.
    """

    def change(name: str, path: Path, known: _Lines) -> ListChange:
        new = not path.exists()
        if not items:
            if not new:
                raise ToolError(f"the list {name!r} is already there")
            return ListChange(name=name, did="created", count=0)
        present = {item.casefold() for item in known.items}
        added: Names = []
        already: Names = []
        for item in (_clean(item) for item in items):
            (already if item.casefold() in present else added).append(item)
            present.add(item.casefold())
        known.add(added)
        return ListChange(name=name, did="added", items=added, already=already, count=len(known.items))

    return _changed(context, list or DEFAULT, change, may_be_new=True)


@tool(effect="read")
def show_list(context: ToolContext, list: Phrase | None = None) -> ListContent:
    """Show the items of a list; without a name, the names of all lists.

    Args:
        list: the list's name.
    """
    if list is None:
        return ListContent(items=_names(context.workspace))
    path = _find(context.workspace, list)
    known = _Lines.read(path)
    return ListContent(name=known.title or path.stem, items=known.items)


@tool(effect="write")
def remove_from_list(items: Items, context: ToolContext, list: Phrase | None = None) -> ListChange:
    """Remove items from a list.

    Args:
        items: what to remove.
        list: the list's name.
    """

    def change(name: str, path: Path, known: _Lines) -> ListChange:
        removed = [known.remove(item) for item in items]
        return ListChange(name=name, did="removed", items=removed, count=len(known.items))

    return _changed(context, list or DEFAULT, change)


@tool(effect="write")
def delete_list(context: ToolContext, list: Phrase | None = None) -> ListChange:
    """Delete a whole list.

    Args:
        list: the list's name.
    """
    if list is None:
        raise ToolError(
            f"list: expected which list to delete, got nothing; valid: {_valid(context.workspace)}"
        )
    buried = inside(context.workspace, FOLDER, ".deleted")
    with locked(inside(context.workspace, FOLDER)):
        for grave in sorted(buried.glob("*.md")) if buried.is_dir() else []:
            done = _Lines.read(grave).ledger.result_of(context.idempotency_key)
            if done is not None:
                # Killed between the copy and the removal: finish the removal, of this very content only.
                return ListChange.model_validate(done)
        path = _find(context.workspace, list)
        known = _Lines.read(path)
        result = ListChange(name=known.title or path.stem, did="deleted", count=len(known.items))
        known.ledger.add(context.idempotency_key, result.model_dump())
        write_whole(path, known.text().encode())
        buried.mkdir(exist_ok=True)
        path.replace(_free(buried, path.stem))
        return result


# --- the files ----------------------------------------------------------------------------------------------


class _Lines:
    """A list file: its lines as they stand, so that what a person wrote between the items stays."""

    def __init__(self, lines: Names, ledger: Ledger) -> None:
        self.lines, self.ledger = lines, ledger

    @classmethod
    def read(cls, path: Path) -> _Lines:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ToolError(f"{path.name} is not a text file") from error
        lines, entries = [], []
        for line in text.splitlines():
            noted = _LEDGER.fullmatch(line.strip())
            if noted:
                entries.append(noted[1])
            else:
                lines.append(line)
        return cls(lines, Ledger(entries))

    @property
    def title(self) -> str:
        return next((line[2:].strip() for line in self.lines if line.startswith("# ")), "")

    @property
    def items(self) -> Names:
        return [match[1].strip() for line in self.lines if (match := _ITEM.fullmatch(line.strip()))]

    def add(self, items: Names) -> None:
        self._trim()
        if self.lines and not _ITEM.fullmatch(self.lines[-1].strip()):
            self.lines.append("")
        self.lines.extend(f"- [ ] {item}" for item in items)

    def remove(self, said: str) -> str:
        """Take out the item that was said, and give it as it stood.

        Raises:
            ToolError: no item, or more than one, is meant.
        """
        items = self.items
        wanted = _clean(said).casefold()
        folded = {item.casefold(): item for item in items}
        meant = folded.get(wanted)
        if meant is None:
            telling = [item for item in items if re.search(rf"\b{re.escape(wanted)}\b", item.casefold())]
            close = [folded[name] for name in get_close_matches(wanted, folded, n=2, cutoff=0.8)]
            candidates = telling or close
            if len(candidates) != 1:
                valid = ", ".join(items[:20]) or "none"
                raise ToolError(f"items: expected one item of the list, got {said!r}; valid: {valid}")
            meant = candidates[0]
        self.lines = [
            line
            for line in self.lines
            if not ((m := _ITEM.fullmatch(line.strip())) and m[1].strip() == meant)
        ]
        return meant

    def _trim(self) -> None:
        while self.lines and not self.lines[-1].strip():
            self.lines.pop()

    def text(self) -> str:
        self._trim()
        notes = [f"<!-- speeddial {entry} -->" for entry in self.ledger.entries]
        return "\n".join([*self.lines, *(["", *notes] if notes else [])]).rstrip("\n") + "\n"


def _changed(
    context: ToolContext,
    said: str,
    change: Callable[[str, Path, _Lines], ListChange],
    *,
    may_be_new: bool = False,
) -> ListChange:
    """Read a list, change it and write it whole, once for each idempotency key."""
    with locked(inside(context.workspace, FOLDER)):
        existing = _match(context.workspace, said)
        if existing is None and not may_be_new:
            raise ToolError(
                f"list: expected a list that is there, got {said!r}; valid: {_valid(context.workspace)}"
            )
        path = existing or inside(context.workspace, FOLDER, f"{slug(said)}.md")
        known = _Lines.read(path) if existing else _Lines([f"# {_clean(said)}", ""], Ledger())
        done = known.ledger.result_of(context.idempotency_key)
        if done is not None:
            return ListChange.model_validate(done)
        result = change(known.title or path.stem, path, known)
        known.ledger.add(context.idempotency_key, result.model_dump())
        write_whole(path, known.text().encode())
        return result


def _clean(text: str) -> str:
    """One line without what would be read as Markdown structure or as our own comment."""
    return re.sub(r"\s+", " ", text).replace("<!--", "<! --").strip()


def _files(workspace: Path) -> Paths:
    folder = inside(workspace, FOLDER, "x").parent
    return sorted(path for path in folder.glob("*.md") if path.is_file() and not path.is_symlink())


def _names(workspace: Path) -> Names:
    return [_Lines.read(path).title or path.stem for path in _files(workspace)]


def _valid(workspace: Path) -> str:
    return ", ".join(_names(workspace)[:20]) or "none"


def _match(workspace: Path, said: str) -> Path | None:
    """The file of a list: by its name, or by its name without "the", "my" and "list"."""
    by_name = {path.stem: path for path in _files(workspace)}
    bare = re.sub(r"\b(?:the|my|our|a|list)\b", " ", said.casefold())
    for name in (said, bare):
        if re.search(r"\w", name) and (found := by_name.get(slug(name))):
            return found
    # "todo" for "to do", "shoping" for "shopping": only when one list alone is that close.
    joined = {stem.replace("-", ""): path for stem, path in by_name.items()}
    key = slug(bare).replace("-", "") if re.search(r"\w", bare) else ""
    close = get_close_matches(key, joined, n=2, cutoff=0.85) if key else []
    return joined[close[0]] if len(close) == 1 else None


def _find(workspace: Path, said: str) -> Path:
    path = _match(workspace, said)
    if path is None:
        raise ToolError(f"list: expected a list that is there, got {said!r}; valid: {_valid(workspace)}")
    return path


def _free(folder: Path, stem: str) -> Path:
    number = 1
    while (path := folder / f"{stem}.{number}.md").exists():
        number += 1
    return path
