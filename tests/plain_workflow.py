"""A workflow that is a function, for projects of tests: three calls, two of them at a time."""

from __future__ import annotations

PLAIN = '''
import asyncio

from speeddial import Run, workflow


@workflow
async def plain(run: Run, task: str) -> str:
    """Three calls, two at a time."""
    total, noted = await asyncio.gather(
        run.phone("adder", "What is 2 and 3?"), run.phone("writer", "note the milk")
    )
    sent = await run.phone("writer", "send the sum to anna", uses=[total])
    return f"{total.text} {noted.text} {sent.text}"
'''
