"""The step's document: the text file that the user granted, to show to an expert and to copy from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speeddial.errors import UserError

if TYPE_CHECKING:
    from speeddial.tool import ToolContext

LONGEST = 200_000
"""Characters; more does not fit into the context of a small model by far."""


def document(context: ToolContext) -> str | None:
    """The text of a step's files, None where it has none: a preface, and a source for `Copied(of=document)`.

    Raises:
        UserError: a file is no UTF-8 text, or longer than `LONGEST` characters.
    """
    texts = []
    for name, path in context.files.items():
        try:
            with path.open(encoding="utf-8-sig") as file:
                text = file.read(LONGEST + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{name} cannot be read as text: {error}", hint="grant a text file in UTF-8"
            ) from error
        if len(text) > LONGEST:
            raise UserError(f"{name} is longer than {LONGEST} characters", hint="grant a part of it")
        texts.append(text)
    return "\n".join(texts) if texts else None
