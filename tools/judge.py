"""The tool by which a judge gives its verdict."""

from speeddial.judge import judge

__all__ = ["judge"]
