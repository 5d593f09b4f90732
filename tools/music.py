"""Playlists and the play queue in `workspace/music`: XSPF files, which music players open and people read.

`NAME.xspf` is a playlist, `_queue.xspf` what was asked to be played, in order.

A track's file is looked for among the audio files under `workspace/music` by the words of its path
("Nina Simone/Pastel Blues/06 Sinnerman.flac"). What has no file there stands in the playlist by its names
alone, which XSPF allows: a player or a service looks for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote
from xml.etree import ElementTree

from pydantic import BaseModel

from speeddial import ToolContext, ToolError, tool
from speeddial.errors import UserError
from speeddial.values import Phrase
from speeddial.workspace import Ledger, inside, locked, slug, write_whole

FOLDER = "music"
QUEUE = "_queue.xspf"
"""No playlist's name comes out as this one: `slug` keeps no underscore."""
AUDIO = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".wav")
MOST = 100
"""Files that one request puts into the queue."""

_SPACE = "http://xspf.org/ns/0/"
_TAG = f"{{{_SPACE}}}"
_DONE = "urn:speeddial:done"
_WISH = "urn:speeddial:wish"
_FIELDS = ("title", "creator", "album", "wish", "location")


class Track(BaseModel):
    """A track, or what is known of one that is wanted."""

    title: str = ""
    creator: str = ""
    album: str = ""
    wish: str = ""
    """What no field holds: genre, year, service."""
    location: str = ""
    """Path in the music folder; empty when no file was found."""

    def __str__(self) -> str:
        names = [part for part in (self.title, self.album) if part]
        text = ", ".join(names) + (f" by {self.creator}" if self.creator and names else self.creator)
        return " ".join(
            part for part in (text, f"({self.wish})" if text and self.wish else self.wish) if part
        )

    @property
    def same(self) -> tuple[str, ...]:
        """What two entries of one track have in common."""
        return tuple(getattr(self, name).casefold() for name in _FIELDS)


class PlaylistChange(BaseModel):
    """What was put into a playlist, or into the queue."""

    produces: ClassVar[frozenset[str]] = frozenset({"text"})

    name: str
    added: list[Track]
    already: bool = False
    """Whether all of it stood there before."""
    count: int

    def __str__(self) -> str:
        shown = "; ".join(map(str, self.added[:5])) + ("; ..." if len(self.added) > 5 else "")
        did = "already has" if self.already else "now has"
        files = sum(bool(track.location) for track in self.added)
        note = "" if files else "; no file of it is in the music folder"
        return f"{self.name} {did} {shown} ({self.count} in all{note})."


@tool(effect="write")
def add_to_playlist(
    context: ToolContext,
    *,
    music_item: Phrase | None = None,
    entity_name: Phrase | None = None,
    artist: Phrase | None = None,
    playlist_owner: Phrase | None = None,
    playlist: Phrase,
) -> PlaylistChange:
    """Add music to a playlist, which is made when it is not there.

    Args:
        music_item: what it is, "song", "album".
        entity_name: its title.
        artist: who made it.
        playlist_owner: whose playlist, "my".
        playlist: the playlist's name.
    """
    is_album = (music_item or "").lower() == "album"
    wanted = Track(
        title="" if is_album else entity_name or "",
        album=entity_name or "" if is_album else "",
        creator=artist or "",
        wish=music_item or "" if artist and not entity_name else "",
    )

    def change(queue: Sequence[Track]) -> list[Track]:
        if entity_name or artist:
            return _found(folder, wanted, [entity_name, artist]) or [wanted]
        if not queue:
            raise ToolError(
                f"entity_name: expected what to add, got {music_item or 'nothing'!r}, "
                "and nothing was played yet; example: Sinnerman"
            )
        # "Add this song": what was put on last.
        return [queue[-1]]

    folder = inside(context.workspace, FOLDER)
    with locked(folder):
        name = " ".join(filter(None, (_owner(playlist_owner), playlist)))
        path = _playlist(folder, name)
        return _changed(
            path, name, lambda: change(_List.read(folder / QUEUE).tracks), context.idempotency_key
        )


@tool(effect="write")
def play_music(
    context: ToolContext,
    *,
    sort: Phrase | None = None,
    genre: Phrase | None = None,
    track: Phrase | None = None,
    album: Phrase | None = None,
    music_item: Phrase | None = None,
    artist: Phrase | None = None,
    playlist: Phrase | None = None,
    year: Phrase | None = None,
    service: Phrase | None = None,
) -> PlaylistChange:
    """Play music: put it into the play queue.

    Args:
        sort: "newest", "top twenty".
        genre: the genre.
        track: the track's title.
        album: the album's title.
        music_item: what it is, "song", "concerto".
        artist: who plays it.
        playlist: the playlist's name.
        year: from when, "1984", "seventies".
        service: on which service.
    """
    wishes = [sort, genre, music_item, f"from {year}" if year else "", f"on {service}" if service else ""]
    wanted = Track(
        title=track or "",
        creator=artist or "",
        album=album or "",
        wish=", ".join(filter(None, [*wishes, f"playlist {playlist}" if playlist else ""])),
    )
    if wanted == Track():
        raise ToolError("artist: expected what to play, got nothing; example: Nina Simone")

    def change() -> list[Track]:
        if playlist:
            path = _playlist(folder, playlist)
            if path.is_file():
                return _List.read(path).tracks
            if not service:
                valid = ", ".join(known.stem for known in _playlists(folder)) or "none"
                raise ToolError(f"playlist: expected one that is there, got {playlist!r}; valid: {valid}")
        named = [track, album, artist]
        return _found(folder, wanted, named if any(named) else [genre]) or [wanted]

    folder = inside(context.workspace, FOLDER)
    with locked(folder):
        return _changed(inside(folder, QUEUE), "The queue", change, context.idempotency_key, twice=True)


# --- the files ----------------------------------------------------------------------------------------------


class _List:
    """A playlist file; elements that it does not know stay as they are."""

    def __init__(self, root: ElementTree.Element) -> None:
        self.root = root
        found = root.find(f"{_TAG}trackList")
        self._tracks = ElementTree.SubElement(root, f"{_TAG}trackList") if found is None else found
        self.ledger = Ledger(
            item.text or "" for item in root.findall(f"{_TAG}meta") if item.get("rel") == _DONE
        )

    @classmethod
    def read(cls, path: Path, title: str = "") -> _List:
        if not path.is_file():
            root = ElementTree.Element(f"{_TAG}playlist", version="1")
            ElementTree.SubElement(root, f"{_TAG}title").text = title
            return cls(root)
        try:
            return cls(ElementTree.fromstring(path.read_bytes()))
        except ElementTree.ParseError as error:
            raise UserError(
                f"{path.name} is not a playlist: {error}", hint="mend it or move it away"
            ) from error

    @property
    def title(self) -> str:
        return self.root.findtext(f"{_TAG}title") or ""

    @property
    def tracks(self) -> list[Track]:
        return [_track(item) for item in self._tracks.findall(f"{_TAG}track")]

    def add(self, track: Track) -> None:
        item = ElementTree.SubElement(self._tracks, f"{_TAG}track")
        for name in ("location", "title", "creator", "album"):
            text = getattr(track, name)
            if text:
                ElementTree.SubElement(item, _TAG + name).text = (
                    quote(text) if name == "location" else _clean(text)
                )
        if track.wish:
            ElementTree.SubElement(item, f"{_TAG}meta", rel=_WISH).text = _clean(track.wish)

    def save(self, path: Path) -> None:
        for item in [item for item in self.root.findall(f"{_TAG}meta") if item.get("rel") == _DONE]:
            self.root.remove(item)
        for number, entry in enumerate(self.ledger.entries):
            # Before the track list, where the form wants them.
            item = ElementTree.Element(f"{_TAG}meta", rel=_DONE)
            item.text = entry
            self.root.insert(1 + number, item)
        ElementTree.register_namespace("", _SPACE)
        ElementTree.indent(self.root)
        write_whole(path, ElementTree.tostring(self.root, encoding="utf-8", xml_declaration=True) + b"\n")


def _changed(
    path: Path, title: str, change: Callable[[], list[Track]], key: str, *, twice: bool = False
) -> PlaylistChange:
    """Add tracks to a playlist, once for each key; one that is there only where `twice` says so."""
    known = _List.read(path, title)
    done = known.ledger.result_of(key)
    if done is not None:
        return PlaylistChange.model_validate(done)
    tracks = change()
    there = {track.same for track in known.tracks}
    new = [track for track in tracks if twice or track.same not in there]
    for track in new:
        known.add(track)
    name = title if path.name == QUEUE else f"The playlist {known.title or title!r}"
    result = PlaylistChange(name=name, added=new or tracks, already=not new, count=len(known.tracks))
    known.ledger.add(key, result.model_dump())
    known.save(path)
    return result


def _track(item: ElementTree.Element) -> Track:
    from urllib.parse import unquote

    text = {name: item.findtext(_TAG + name) or "" for name in ("location", "title", "creator", "album")}
    wish = next((meta.text or "" for meta in item.findall(f"{_TAG}meta") if meta.get("rel") == _WISH), "")
    return Track(**{**text, "location": unquote(text["location"])}, wish=wish)


def _clean(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return re.sub(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]", "", text)


def _owner(said: str | None) -> str:
    """Whose playlist, as it stands before its name; the user's own has nobody's."""
    name = re.sub(r"(['’]|\b)\s*s?$", "", (said or "").strip())
    return "" if name.lower() in ("my", "our", "mine", "the", "thi") else name


def _playlists(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.xspf") if path.name != QUEUE and not path.is_symlink())


def _playlist(folder: Path, said: str) -> Path:
    """The file of a playlist: of that name, or of the one close spelling, or where a new one would stand."""
    name = slug(re.sub(r"\b(?:the|playlist)\b", " ", said, flags=re.IGNORECASE) if " " in said else said)
    known = {path.stem: path for path in _playlists(folder)}
    close = get_close_matches(name, known, n=2, cutoff=0.9)
    return known.get(name) or (known[close[0]] if len(close) == 1 else inside(folder, f"{name}.xspf"))


def _found(folder: Path, wanted: Track, names: Sequence[str | None]) -> list[Track]:
    """The audio files in whose paths all the names stand, in their order."""
    phrases = [_folded(name) for name in names if name]
    tracks = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.suffix.lower() in AUDIO and not path.is_symlink() and path.is_file():
            text = f" {_folded(str(inner.with_suffix('')))} "
            if phrases and all(f" {phrase} " in text for phrase in phrases):
                title = wanted.title or re.sub(r"^\d+\W+", "", path.stem)
                tracks.append(wanted.model_copy(update={"title": title, "location": inner.as_posix()}))
    return tracks[:MOST]


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", re.sub(r"['’]", "", text.casefold())))
