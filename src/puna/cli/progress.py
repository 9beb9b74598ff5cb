"""Progress of work that takes time: spinners and bars on a terminal, plain lines anywhere else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from puna.cli import terminal
from puna.cli.speed import Speed
from puna.events import Progress
from puna.sizes import size

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

Report = Callable[[Progress], None]

_SILENT_SECONDS = 0.5
_LINE_SECONDS = 10.0
_NARROW = 70
"""Columns below which there is no room for bars."""

_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")


@contextmanager
def reporting(out: TextIO) -> Iterator[Report]:
    """A function that shows each step it is told on ``out``; a step with a total is a transfer of so many bytes."""
    if terminal.obeys(out):
        with _lively(out) as report:
            yield report
    else:
        yield _Plain(out)


class _Plain:
    """Prints a step when it is first heard of, a transfer of a blob when it is complete, and how far a long one is."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._printed: set[str] = set()
        self._transfers: dict[str, _Transfer] = {}

    def __call__(self, step: Progress) -> None:
        first, goes_on = step.status not in self._printed, step.completed < step.total
        if goes_on and (first or not step.digest):
            line = self._transfers.setdefault(step.status, _Transfer()).line(step, time.monotonic())
            if line:
                self._print(line)
        if first and not (goes_on and step.digest):
            self._printed.add(step.status)
            self._print(f"{step.status} 100%" if step.digest else step.status)

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)


class _Transfer:
    """When there is something to say of a transfer that goes on, and what."""

    def __init__(self) -> None:
        self._speed = Speed()
        self._next: float | None = None

    def line(self, step: Progress, now: float) -> str:
        """How far it is, how fast and how long still, if that is due ``now``."""
        left = self._speed.left(step.completed, step.total, now)
        if self._next is None:
            self._next = now + _SILENT_SECONDS
        if now < self._next:
            return ""
        self._next = now + _LINE_SECONDS
        line = f"{step.status} {100 * step.completed // step.total}% of {size(step.total)}"
        return f"{line}, {size(round(left[0]))}/s, {left[1]} left" if left else line


class _Lively:
    """Keeps one line per step, the last of them moving."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._step = Progress("")
        self._task: TaskID | None = None

    def __call__(self, step: Progress) -> None:
        if step.status != self._step.status or self._task is None:
            self.finish()
            description = _DIGEST.sub(r"\1", step.status)
            self._task = self._bars.add_task(description, total=step.total or None, transfer=bool(step.total))
        self._step = step
        if step.total:
            self._bars.update(self._task, completed=step.completed, total=step.total)

    def rest(self) -> None:
        """Let nothing move; a transfer that is not complete stays where it is."""
        if not self._step.total:
            self.finish()

    def finish(self) -> None:
        """Show the last step as done."""
        if self._task is not None:
            total = self._step.total or 1
            self._bars.update(self._task, completed=total, total=total)


@contextmanager
def _lively(out: TextIO) -> Iterator[_Lively]:
    from rich import progress as rich  # noqa: PLC0415 - needed only here, and slow to import
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Column  # noqa: PLC0415

    class OfTransfers(rich.ProgressColumn):
        """A column that is empty for steps of unknown length, and, if it speaks of the rest, when there is none."""

        def __init__(self, column: rich.ProgressColumn, *, of_the_rest: bool = False) -> None:
            super().__init__(table_column=Column(no_wrap=True))
            self._column = column
            self._of_the_rest = of_the_rest

        def render(self, task: rich.Task) -> RenderableType:
            shown = task.fields["transfer"] and not (self._of_the_rest and task.finished)
            return self._column(task) if shown else ""

    console = Console(file=out)
    wide = console.width >= _NARROW
    what = None if wide else Column(ratio=1, no_wrap=True, overflow="ellipsis")
    how_far: list[rich.ProgressColumn] = [rich.TaskProgressColumn()]
    if wide:
        how_far = [rich.BarColumn(20), rich.DownloadColumn()]
    with rich.Progress(
        rich.SpinnerColumn(),
        rich.TextColumn("{task.description}", markup=False, table_column=what),
        *map(OfTransfers, how_far),
        OfTransfers(rich.TransferSpeedColumn(), of_the_rest=True),
        OfTransfers(rich.TimeRemainingColumn(compact=not wide), of_the_rest=True),
        console=console,
        expand=not wide,
    ) as bars:
        report = _Lively(bars)
        try:
            yield report
            report.finish()
        finally:
            report.rest()
