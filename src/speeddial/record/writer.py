"""Who writes a row: process and machine, so that a writer that died can be told from one at work."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LEFT: set[str] = set()
"""Runs that this process works on no more and could not write so."""


@dataclass(frozen=True)
class Writer:
    """One process on one machine."""

    pid: int
    host: str
    started: str
    """Boot and start tick of the process, which unmask a reused number; empty where there is no /proc."""

    @classmethod
    def me(cls) -> Writer:
        """The calling process."""
        return _writer(os.getpid())

    def alive(self) -> bool | None:
        """Whether it still runs; None when it ran on another machine, where nobody here can look."""
        if self == Writer.me():
            return True
        if self.host != socket.gethostname():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return not self.started or self.started == _start(self.pid)


@cache
def _writer(pid: int) -> Writer:
    return Writer(pid, socket.gethostname(), _start(pid))


def _start(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    # The name, in brackets, may hold spaces: fields are counted from its end. State Z has ended.
    fields = stat.rpartition(")")[2].split()
    return "" if len(fields) < 20 else f"{boot}:{fields[19]}" + (":ended" if fields[0] == "Z" else "")
