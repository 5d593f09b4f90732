"""The command line. Bodies import what they need when they run, so that ``--help`` stays quick."""

from __future__ import annotations

import gc
import os
import sys

_OBJECTS = 50_000
"""New ones between two looks for garbage; at Python's 700 the imports of a command are searched a hundred
times (0.05 s)."""


def main() -> None:
    """Entry point of the `speeddial` command; maps errors to exit codes."""
    gc.set_threshold(_OBJECTS)
    # numpy's library starts a thread for each processor when imported (0.05 s); nothing here needs them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from speeddial.cli.app import app
    from speeddial.cli.output import report_error
    from speeddial.errors import SpeeddialError

    try:
        app(prog_name="speeddial")
    except SpeeddialError as error:
        report_error(error, as_json="--json" in sys.argv)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("interrupted; `speeddial runs` shows what is on record", file=sys.stderr)  # noqa: T201
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader of a pipe went away (`speeddial runs | head`): nothing is left to say to it.
        sys.stderr.close()
        raise SystemExit(0) from None
