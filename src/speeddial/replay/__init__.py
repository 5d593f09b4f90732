"""Replay and fork: a recorded run again, offline from the record, or anew from one of its steps."""

from speeddial.replay.fork import fork
from speeddial.replay.offline import ReplayReport, replay

__all__ = ["ReplayReport", "fork", "replay"]
