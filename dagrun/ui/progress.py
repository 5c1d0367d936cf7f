"""Progress of a run: a line as each stage finishes, and on a terminal those that are running.

Rich is imported when the first stage starts on a terminal, so a run of hits never waits for it.
"""

from __future__ import annotations

import sys
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
        live = self._live
        if live is None or stream not in self._terminals:
            return False
        if line is not None:
            from rich.text import Text

            live.console.print(Text.from_ansi(line), soft_wrap=True)
        return True

    def tell_effects(self) -> None:
        """Tell the effects that were kept back."""
        if self._held:
            tell("effects")
            for result in self._held:
                tell(stage_line(result, self._width))

    def _say(self, line: str) -> None:
        if self._live is None:
            tell(line)
        else:
            from rich.text import Text

            self._live.console.print(Text.from_ansi(line), soft_wrap=True)

    def _go_live(self) -> None:
        if self._live is not None or not self._can_be_live:
            return
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=Console(file=self._stderr, no_color=colour() is False),
            get_renderable=self._render,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

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
