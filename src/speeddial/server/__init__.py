"""Servers of Speeddial's own: the recording proxy."""
