"""Mail drafts in `workspace/drafts`, a Maildir that mail programs open. Nothing is ever sent."""

from __future__ import annotations

import hashlib
import mailbox
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from speeddial import ToolContext, ToolError, tool
from speeddial.values import Phrase, Text
from speeddial.workspace import inside, locked

FOLDER = "drafts"
# Printable ASCII alone: of other letters in front of the @ the standard library makes no address.
_ATOM = r"[!#$%&'*+/=?^_`{|}~\w-]+"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@[\w-]+(?:\.[\w-]+)*", re.ASCII)


class Draft(BaseModel):
    """A mail draft as it was written."""

    produces: ClassVar[frozenset[str]] = frozenset({"text"})

    to: str = ""
    subject: str = ""
    body: str = ""

    def __str__(self) -> str:
        head = f"Draft to {self.to}" if self.to else "Draft"
        subject = f", subject {self.subject!r}" if self.subject else ""
        return f"{head}{subject}:\n{self.body}" if self.body else f"{head}{subject}."


@tool(effect="write")
def draft_mail(
    context: ToolContext,
    to: Phrase | None = None,
    subject: Text | None = None,
    body: Text | None = None,
) -> Draft:
    """Write a mail draft; it is kept and never sent.

    Args:
        to: who it is for, a name or an address.
        subject: the subject line.
        body: what the mail says.
    """
    if not (to or subject or body):
        raise ToolError(
            "body: expected what the mail says, got nothing; example: the meeting is moved to 3 pm"
        )
    identity = f"<{hashlib.sha256(context.idempotency_key.encode()).hexdigest()[:32]}@speeddial.local>"
    folder = inside(context.workspace, FOLDER)
    with locked(folder):
        box = _maildir(folder)
        for known in box:
            if known["Message-ID"] == identity:
                return _draft(known)
        message = _compose(to, subject, body, context, identity)
        # `add` writes to tmp/, flushes and renames into the folder: a kill leaves no half mail.
        stored = mailbox.MaildirMessage(message)
        stored.set_subdir("cur")
        stored.set_flags("D")
        box.add(stored)
    return Draft(to=to or "", subject=subject or "", body=body or "")


def _maildir(folder: Path) -> mailbox.Maildir:
    for name in ("tmp", "new", "cur"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return mailbox.Maildir(folder, create=True)


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _compose(
    to: str | None, subject: str | None, body: str | None, context: ToolContext, identity: str
) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = identity
    message["Date"] = context.now
    if to:
        found = _ADDRESS.findall(to)
        name = _one_line(_ADDRESS.sub(" ", to)).strip("<> ,;")
        if len(found) > 1 or (found and not name):
            message["To"] = ", ".join(found)
        else:
            # A name without an address is a group without members (RFC 5322): mail programs show it.
            message["To"] = Address(name, addr_spec=found[0]) if found else f"{_quoted(_one_line(to))}:;"
    message["X-Speeddial-To"] = _one_line(to or "")
    message["Subject"] = _one_line(subject or "")
    message.set_content(body or "")
    return message


def _quoted(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9 _-]+", name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _draft(message: mailbox.MaildirMessage) -> Draft:
    from email import message_from_bytes

    whole = message_from_bytes(message.as_bytes(), policy=SMTP)
    text = whole.get_body(preferencelist=("plain",))
    body = text.get_content() if text is not None else ""
    return Draft(
        to=str(whole["X-Speeddial-To"] or ""),
        subject=str(whole["Subject"] or ""),
        body=body.replace("\r\n", "\n").removesuffix("\n"),
    )
