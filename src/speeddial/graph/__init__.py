"""Workflows on LangGraph: the only package that imports it."""

from speeddial.graph.drive import Driver

__all__ = ["Driver"]
