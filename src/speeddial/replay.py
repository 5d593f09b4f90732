"""Replay and fork: a recorded run again, offline from the record, or anew from one of its steps."""
