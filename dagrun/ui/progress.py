"""Progress of a run: a line as each stage finishes, and on a terminal those that are running.

Rich is imported when the first stage starts on a terminal, so a run of hits never waits for it.
Guarantee: what is shown above the live lines is never joined to one of them. So they are drawn anew
here and not by a thread of Rich's, which may draw others after it was worked out what to wipe.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Collection
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from dagrun.engine.events import (
    Event,
    RunStarted,
    RunStopping,
    StageAdvanced,
    StageFinished,
    StageResult,
    StageRetried,
    StageStarted,
    StageVerified,
)
from dagrun.ui.outcome import stage_line
from dagrun.ui.quantities import about, seconds
from dagrun.ui.terminal import colour, is_live, paint, tell, tell_warning

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_REDRAWN_EVERY = 1 / 8
"""Seconds."""


class Progress:
    """Tells a run's events on standard error; a context manager around the run.

    Effects are kept back for `tell_effects`, since they are no part of the pipeline's data.
    """

    def __init__(self, effects: Collection[str]) -> None:
        self._effects = frozenset(effects)
        self._held: list[StageResult] = []
        self._running: dict[str, tuple[float, float | None]] = {}
        self._advanced: dict[str, str] = {}
        self._width = 0
        self._verified = ""
        self._live: Live | None = None
        self._stderr: TextIO | None = None
        self._terminals: set[str] = set()
        self._can_be_live = False
        self._drawing = threading.Lock()
        self._ended = threading.Event()

    def __enter__(self) -> Progress:
        # Kept now: during the run, standard error is shared out to the stages.
        self._stderr = sys.stderr
        self._terminals = {"stderr", "stdout"} if sys.stdout.isatty() else {"stderr"}
        self._can_be_live = is_live()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._ended.set()
        with self._drawing:
            if self._live is not None:
                self._live.stop()
                self._live = None

    def __call__(self, event: Event) -> None:
        """Tell one event; called from the thread that dispatches."""
        match event:
            case RunStarted(stages=stages, warnings=warnings):
                self._width = max(map(len, stages), default=0)
                for warning in warnings:
                    tell_warning(warning)
            case StageStarted(name=name, usual=usual):
                self._running[name] = (time.monotonic(), usual)
                self._go_live()
            case StageRetried(name=name, attempt=attempt, delay=delay, error=error):
                again = f"attempt {attempt} failed, again in {about(delay)}: {error}"
                self._say(f"{name:<{self._width}}  {paint('retry', 'warn')}    {again}")
            case StageAdvanced(name=name, done=done, total=total):
                self._advanced[name] = f"{done:,} of {total:,} elements"
            case StageFinished(result=result):
                self._running.pop(result.name, None)
                if result.name in self._effects:
                    self._held.append(result)
                else:
                    self._say(stage_line(result, self._width))
            case StageVerified(done=done, total=total):
                self._verified = f"{done} of {total}" if done < total else ""
                self._go_live()
            case RunStopping(running=running):
                waited = f" waiting for {', '.join(running)};" if running else ""
                self._say(f"stopping:{waited} interrupt again to leave at once")

    def above(self, stream: str, line: str | None) -> bool:
        """Show what a stage printed above the live lines; False while nothing is live there.

        Called from the threads of stages. What is piped elsewhere stays apart.
        """
        if self._live is None or stream not in self._terminals:
            return False
        return line is None or self._show_above(line)

    def tell_effects(self) -> None:
        """Tell the effects that were kept back."""
        if self._held:
            tell("effects")
            for result in self._held:
                tell(stage_line(result, self._width))

    def _say(self, line: str) -> None:
        if not self._show_above(line):
            tell(line)

    def _show_above(self, line: str) -> bool:
        """Show a line above the live ones; False where there are none."""
        with self._drawing:
            if self._live is None:
                return False
            from rich.text import Text

            self._live.console.print(Text.from_ansi(line), soft_wrap=True)
        return True

    def _go_live(self) -> None:
        if self._live is not None or not self._can_be_live:
            return
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=Console(file=self._stderr, no_color=colour() is False),
            get_renderable=self._render,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)
        threading.Thread(target=self._redraw, daemon=True).start()

    def _redraw(self) -> None:
        while not self._ended.wait(_REDRAWN_EVERY):
            with self._drawing:
                if self._live is not None:
                    self._live.refresh()

    def _render(self) -> Table:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for name, (started, usual) in list(self._running.items()):
            usually = f"usually {about(usual)}" if usual is not None else ""
            known = (self._advanced.get(name, ""), usually)
            elapsed = seconds(now - started)
            table.add_row(
                f"{name:<{self._width}}",
                "running",
                f"{elapsed:>11}",
                ", ".join(filter(None, known)),
            )
        if self._verified:
            table.add_row("", "verified", self._verified)
        return table
