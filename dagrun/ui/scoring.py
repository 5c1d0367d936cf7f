"""The bar of a file that is being scored: rows, rows a second, time that is left.

It is drawn only on a terminal; elsewhere nothing is told before the end.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from dagrun.ui.terminal import colour, is_live

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class ScoringBar:
    """A bar on standard error; a context manager around the work."""

    def __init__(self, rows: int) -> None:
        self._rows, self._done = rows, 0
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ScoringBar:
        if is_live():
            self._progress = _progress()
            self._progress.start()
            self._task = self._progress.add_task("scoring", total=self._rows, told="", rate="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def advance(self, rows: int) -> None:
        """Tell that so many more rows are scored."""
        self._done += rows
        if self._progress is None or self._task is None:
            return
        speed = self._progress.tasks[0].speed
        self._progress.update(
            self._task,
            advance=rows,
            told=f"{self._done:,} of {self._rows:,} rows",
            rate=f"{speed:,.0f} rows/s" if speed else "",
        )


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(file=sys.stderr, no_color=colour() is False),
        transient=True,
    )
