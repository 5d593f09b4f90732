"""Playlists and the queue as XSPF files: what is asked stands there once, with its file."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rooms import Desk

from speeddial.errors import ContractViolation, ToolError, UserError

TAG = "{http://xspf.org/ns/0/}"
SONGS = (
    "Nina Simone/Pastel Blues/06 Sinnerman.mp3",
    "Nina Simone/Pastel Blues/01 Be My Husband.mp3",
    "Wilco/Yankee Hotel Foxtrot/01 I Am Trying to Break Your Heart.flac",
    "Wilco/cover.jpg",
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "workspace")
    for song in SONGS:
        path = desk.workspace / "music" / song
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return desk


def tracks(desk: Desk, name: str) -> list[dict[str, str]]:
    root = ElementTree.parse(desk.workspace / "music" / f"{name}.xspf").getroot()
    found = root.findall(f"{TAG}trackList/{TAG}track")
    return [{item.tag.removeprefix(TAG): item.text or "" for item in track} for track in found]


def test_a_song_goes_into_a_playlist_with_its_file(desk: Desk) -> None:
    text = desk.text(
        "add_to_playlist", entity_name="sinnerman", artist="nina simone", playlist="Slow Sundays"
    )
    assert text == "The playlist 'Slow Sundays' now has sinnerman by nina simone (1 in all)."
    (track,) = tracks(desk, "slow-sundays")
    assert track["location"] == "Nina%20Simone/Pastel%20Blues/06%20Sinnerman.mp3"
    root = ElementTree.parse(desk.workspace / "music/slow-sundays.xspf").getroot()
    # The form wants the track list last and the version named.
    assert root.get("version") == "1" and root[-1].tag == f"{TAG}trackList"
    assert root.findtext(f"{TAG}title") == "Slow Sundays"


def test_what_has_no_file_stands_by_its_names(desk: Desk) -> None:
    text = desk.text("add_to_playlist", music_item="album", entity_name="Blue", artist="Joni Mitchell",
                     playlist="road trip")  # fmt: skip
    assert text.endswith("now has Blue by Joni Mitchell (1 in all; no file of it is in the music folder).")
    assert tracks(desk, "road-trip") == [{"creator": "Joni Mitchell", "album": "Blue"}]


def test_an_entry_stands_once_and_a_key_adds_once(desk: Desk) -> None:
    first = desk.run("add_to_playlist", key="run-1", artist="Wilco", playlist="mine")
    path = desk.workspace / "music/mine.xspf"
    content = path.read_bytes()
    assert desk.run("add_to_playlist", key="run-1", artist="Wilco", playlist="mine").value == first.value
    assert path.read_bytes() == content
    assert "already has" in desk.text("add_to_playlist", artist="Wilco", playlist="my mine playlist"[3:])
    assert len(tracks(desk, "mine")) == 1


def test_this_song_is_what_was_put_on_last(desk: Desk) -> None:
    with pytest.raises(ToolError, match="entity_name: expected what to add, got 'song'"):
        desk.run("add_to_playlist", music_item="song", playlist="mine")
    assert not (desk.workspace / "music/mine.xspf").exists()
    desk.run("play_music", track="Be My Husband")
    desk.run("play_music", track="Sinnerman", artist="Nina Simone")
    desk.run("add_to_playlist", music_item="song", playlist_owner="my", playlist="mine")
    (track,) = tracks(desk, "mine")
    assert track["title"] == "Sinnerman"


def test_a_playlist_is_somebodys_and_found_by_a_close_spelling(desk: Desk) -> None:
    desk.run("add_to_playlist", artist="Wilco", playlist_owner="jerry's", playlist="Classics")
    desk.run("add_to_playlist", artist="Blur", playlist_owner="jerry s", playlist="the clasics")
    desk.run("add_to_playlist", artist="Blur", playlist_owner="my", playlist="Classics")
    assert len(tracks(desk, "jerry-classics")) == 2 and len(tracks(desk, "classics")) == 1


def test_the_queue_keeps_the_order_of_requests(desk: Desk) -> None:
    assert desk.text("play_music", artist="wilco").startswith("The queue now has I Am Trying")
    text = desk.text("play_music", sort="top twenty", genre="jazz", year="sixties", service="Spotify")
    assert "top twenty, jazz, from sixties, on Spotify" in text and "no file" in text
    desk.run("play_music", artist="wilco")
    queue = tracks(desk, "_queue")
    assert len(queue) == 3 and queue[0] == queue[2] and "meta" in queue[1]


def test_a_playlist_is_played_from_the_store(desk: Desk) -> None:
    with pytest.raises(ToolError, match="got 'mine'; valid: none"):
        desk.run("play_music", playlist="mine")
    desk.run("add_to_playlist", artist="nina simone", playlist="mine")
    assert len(tracks(desk, "mine")) == 2
    desk.run("play_music", playlist="mine")
    assert tracks(desk, "_queue") == tracks(desk, "mine")
    # A service has playlists that the store does not know.
    assert "playlist hits" in desk.text("play_music", playlist="hits", service="Deezer")
    with pytest.raises(ToolError, match="expected what to play"):
        desk.run("play_music")


def test_what_another_program_wrote_in_a_playlist_stays(desk: Desk) -> None:
    path = desk.workspace / "music/mine.xspf"
    path.write_text(
        '<playlist version="1" xmlns="http://xspf.org/ns/0/"><title>Mine</title><creator>Ann</creator>'
        "<trackList><track><title>Blue</title><trackNum>4</trackNum></track></trackList></playlist>",
        encoding="utf-8",
    )
    desk.run("add_to_playlist", artist="Blur", playlist="mine")
    text = path.read_text(encoding="utf-8")
    assert "<creator>Ann</creator>" in text and "<trackNum>4</trackNum>" in text
    assert [track.get("title", "") for track in tracks(desk, "mine")] == ["Blue", ""]
    path.write_text("<playlist>", encoding="utf-8")
    with pytest.raises(UserError, match="is not a playlist"):
        desk.run("add_to_playlist", artist="Blur", playlist="mine")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "_queue", "a/../../b", "x\x00y"])
def test_no_name_leads_out_of_the_folder(desk: Desk, tmp_path: Path, name: str) -> None:
    before = {path for path in tmp_path.rglob("*")}
    try:
        desk.run("add_to_playlist", artist="Blur", playlist=name)
    except (ToolError, ContractViolation):
        assert name in ("..", "x\x00y")
    made = {path for path in tmp_path.rglob("*")} - before
    assert all(path.parent == desk.workspace / "music" or path.name == ".music.lock" for path in made)
    assert not (desk.workspace / "music/_queue.xspf").exists()


_NAME = st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable() and text.strip())


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_NAME, _NAME)
def test_any_name_comes_back_from_the_file(tmp_path: Path, title: str, artist: str) -> None:
    desk = Desk(tmp_path / str(abs(hash((title, artist)))))
    desk.run("play_music", track=title, artist=artist)
    (track,) = tracks(desk, "_queue")
    assert (track["title"], track["creator"]) == (title, artist)
