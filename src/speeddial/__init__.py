"""Speeddial: agents whose work is done by specialist small language models."""
