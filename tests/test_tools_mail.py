"""The mail tool on a real Maildir: a draft once, readable by mail programs, never sent."""

from __future__ import annotations

import mailbox
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rooms import Desk

from speeddial.errors import ToolError


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "workspace")


def drafts(desk: Desk) -> list[EmailMessage]:
    box = mailbox.Maildir(desk.workspace / "drafts", create=False)
    return [cast(EmailMessage, message_from_bytes(message.as_bytes(), policy=SMTP)) for message in box]


def test_draft_is_a_mail_with_the_result_of_an_earlier_step(desk: Desk) -> None:
    desk.references = {1: "12"}
    result = desk.run(
        "draft_mail", to="anna@example.org", subject="Orders", body="There were #1 orders from Berlin."
    )
    (mail,) = drafts(desk)
    assert (mail["To"], mail["Subject"]) == ("anna@example.org", "Orders")
    assert mail.get_content().strip() == "There were 12 orders from Berlin."
    assert result.resolved["body"] == "There were 12 orders from Berlin."
    assert result.text.startswith("Draft to anna@example.org, subject 'Orders':")
    (file,) = (desk.workspace / "drafts/cur").iterdir()
    assert file.name.endswith(":2,D")


def test_name_without_an_address_is_kept(desk: Desk) -> None:
    desk.run("draft_mail", to="Jürgen Weiß", body="hello")
    desk.run("draft_mail", to="Jürgen Weiß <j.weiss@example.org>", body="hello")
    shown = sorted((mail["X-Speeddial-To"], str(mail["To"])) for mail in drafts(desk))
    assert shown[0][0] == "Jürgen Weiß"
    assert shown[1] == ("Jürgen Weiß <j.weiss@example.org>", "Jürgen Weiß <j.weiss@example.org>")


def test_second_run_with_the_same_key_adds_nothing_and_returns_the_first_result(desk: Desk) -> None:
    first = desk.run("draft_mail", key="run-1", to="tom", subject="late", body="I will be late.\nSorry.")
    again = desk.run("draft_mail", key="run-1", to="tom", subject="late", body="I will be late.\nSorry.")
    assert again.value == first.value
    assert len(drafts(desk)) == 1
    desk.run("draft_mail", key="run-2", to="tom", body="another")
    assert len(drafts(desk)) == 2


def test_empty_draft_is_refused(desk: Desk) -> None:
    with pytest.raises(ToolError, match="body: expected what the mail says"):
        desk.run("draft_mail")
    assert not (desk.workspace / "drafts/cur").exists()


def test_linked_folder_is_refused(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    desk.workspace.mkdir()
    (desk.workspace / "drafts").symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(ToolError, match="is a link"):
        desk.run("draft_mail", to="tom", body="x")
    assert list((tmp_path / "outside").iterdir()) == []


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(to=_TEXT, subject=_TEXT, body=_TEXT)
def test_no_text_adds_a_header_or_a_second_mail(tmp_path: Path, to: str, subject: str, body: str) -> None:
    desk = Desk(tmp_path / str(abs(hash((to, subject, body)))))
    try:
        desk.run("draft_mail", to=to, subject=subject, body=body)
    except ToolError:
        assert not (to or subject or body)
        return
    (mail,) = drafts(desk)
    allowed = {"message-id", "date", "to", "x-speeddial-to", "subject", "content-type", "mime-version"}
    assert {name.lower() for name in mail} <= {*allowed, "content-transfer-encoding"}
