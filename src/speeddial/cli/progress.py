"""Live progress of a run: lines on stderr for people, NDJSON on stdout for programs."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from speeddial import events
from speeddial.cli.output import emit, plain, talk

if TYPE_CHECKING:
    from rich.status import Status

_MARKS = {
    "exact": "[green]✓[/green]",
    "corrected": "[green]✓[/green]",
    "salvaged": "[yellow]✓[/yellow]",
    "escalated": "[yellow]✓[/yellow]",
    "refused": "[yellow]-[/yellow]",
}


class Progress:
    """Shows events as they come.

    Args:
        as_json: print each event as a JSON line on stdout instead.
    """

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._console = talk()
        self._status: Status | None = None
        self._at_work: dict[int, str] = {}

    def __enter__(self) -> Progress:
        if not self._as_json and self._console.is_terminal:
            self._status = self._console.status("planning")
            self._status.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, event: events.Event) -> None:
        """Show one event; the final record is the command's own to print."""
        if isinstance(event, events.RunFinished):
            return
        if self._as_json:
            emit(event.as_dict())
        elif line := self._line(event):
            self._console.print(line)
        if self._status is not None:
            self._status.update(", ".join(self._at_work.values()) or "working")

    def _line(self, event: events.Event) -> str:
        match event:
            case events.PlanMade():
                steps = event.plan.get("steps", [])
                parts = [f"[bold]plan[/bold] {len(steps)} step{'s' * (len(steps) != 1)}"]
                for number, step in enumerate(steps, start=1):
                    uses = f" (uses {', '.join(f'#{n}' for n in step['uses'])})" if step.get("uses") else ""
                    parts.append(f"  {number}. {plain(step['expert'])}: {plain(step['task'])}{uses}")
                parts += [f"  nobody here can: {plain(part)}" for part in event.plan.get("missing", [])]
                return "\n".join(parts)
            case events.StepStarted():
                self._at_work[event.step] = f"{plain(event.expert)} #{event.step}"
                return ""
            case events.CallDecoded():
                sure = "" if event.confidence is None else f" {event.confidence:.2f}"
                arguments = plain(", ".join(f"{name}={value!r}" for name, value in event.arguments.items()))
                proof = (
                    f"\n  [yellow]{event.step}. {plain(event.unproven)}[/yellow]" if event.unproven else ""
                )
                return (
                    f"  [dim]{event.step}. {plain(event.name)}({arguments}) "
                    f"{event.status}{sure} {event.latency_ms:.0f} ms[/dim]{proof}"
                )
            case events.ToolFinished(error=str(error)) if error:
                return f"  [dim]{event.step}. {plain(event.tool)}: {plain(error)}[/dim]"
            case events.Escalated():
                way = f"{plain(event.expert)} -> {plain(event.to)}: {plain(event.reason)}"
                return f"  [yellow]{event.step}. {way}[/yellow]"
            case events.StepFinished():
                self._at_work.pop(event.step, None)
                mark = _MARKS.get(event.status, "[red]✗[/red]")
                first = event.text.partition("\n")[0]
                took = f"[dim]{event.latency_ms:.0f} ms[/dim]"
                return f"{mark} {event.step}. {plain(event.expert)}: {plain(first)} {took}"
            case events.ApprovalNeeded():
                return f"[yellow]? {event.step}. {plain(event.question)}[/yellow]"
        return ""
