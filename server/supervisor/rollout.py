"""The rollout: which worker must be told what, so that all serve the same and none fails a call.

Guarantee: a worker is told to switch only once every worker that serves has proved the same
generation, so all switch within a moment, and what one cannot prove nobody serves. Once something
is served, one worker proves first and alone: a bundle that ends its process ends one process, and
after a second one it is given up. Deciding is all that is done here; nothing waits or sends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dagrun.server.supervisor.channel import Document
from dagrun.server.supervisor.routes import Routes

MOST_DEATHS = 2
"""Workers that may die while they prove a generation before it is given up."""


@dataclass(slots=True)
class Generation:
    """Routes that are, or are to be, served together.

    Attributes:
        number: counts up; a worker never goes back.
        routes: all that is wanted.
        deaths: workers that died while they proved it.
    """

    number: int
    routes: Routes
    deaths: int = 0


@dataclass(slots=True)
class _Progress:
    """Numbers of the generations that one worker was asked for, has proved, was told to serve,
    and serves."""

    asked: int = 0
    proved: int = 0
    told: int = 0
    serving: int = 0


@dataclass(slots=True)
class Rollout:
    """The generations and how far each worker is. A worker is any number that is never reused."""

    current: Generation | None = None
    pending: Generation | None = None
    _last: int = 0
    _workers: dict[int, _Progress] = field(default_factory=dict)
    _abandoned: list[int] = field(default_factory=list)

    def want(self, routes: Routes) -> bool:
        """Begin to roll these out, in place of what is pending; false when they are served."""
        if self.pending and self.pending.routes == routes:
            return False
        self.abandon()
        if self.current and self.current.routes == routes:
            return False
        self._last += 1
        self.pending = Generation(self._last, routes)
        return True

    def abandon(self) -> None:
        """Give up what is pending."""
        if self.pending:
            self._abandoned.append(self.pending.number)
            self.pending = None

    def join(self, worker: int) -> None:
        """Take in a worker that was just started."""
        self._workers[worker] = _Progress()

    def leave(self, worker: int) -> None:
        """Forget a worker that has ended."""
        progress = self._workers.pop(worker, _Progress())
        pending = self.pending
        if pending and progress.proved < pending.number == progress.asked:
            pending.deaths += 1

    def proved(self, worker: int, number: int) -> None:
        """Note that a worker is ready to serve a generation."""
        if worker in self._workers:
            self._workers[worker].proved = number

    def serves(self, worker: int, number: int) -> None:
        """Note that a worker has switched."""
        if worker in self._workers:
            self._workers[worker].serving = number

    @property
    def serving(self) -> list[int]:
        """The workers that serve something; it may be asked from any thread."""
        return [worker for worker, progress in list(self._workers.items()) if progress.serving]

    @property
    def settled(self) -> bool:
        """Whether every worker serves what is current, and nothing is pending."""
        current = self.current
        return bool(
            current
            and not self.pending
            and all(each.serving == current.number for each in self._workers.values())
        )

    def orders(self) -> Iterator[tuple[int, Document]]:
        """Yield what to send now, to whom; each order is given once."""
        for number in self._abandoned:
            for worker, progress in self._workers.items():
                if progress.asked == number:
                    yield worker, {"abandon": number}
        self._abandoned.clear()
        if self.pending:
            yield from self._prepare(self.pending)
        if self.current:
            yield from self._catch_up(self.current)

    def _prepare(self, pending: Generation) -> Iterator[tuple[int, Document]]:
        """Ask for proofs; make the generation the current one when all are in."""
        first = self.current is None
        ready = {w: p for w, p in self._workers.items() if first or p.told}
        proved = [w for w, p in ready.items() if p.proved == pending.number]
        asked = [w for w, p in ready.items() if p.asked == pending.number]
        if ready and len(proved) == len(ready):
            self.current, self.pending = pending, None
            return
        alone = not first and not proved
        for worker in list(ready)[: 1 if alone else None]:
            if worker not in asked and not (alone and asked):
                yield worker, self._ask(worker, pending)

    def _catch_up(self, current: Generation) -> Iterator[tuple[int, Document]]:
        """Have every worker serve the current generation that can."""
        for worker, progress in self._workers.items():
            if progress.told >= current.number:
                continue
            if progress.proved == current.number:
                progress.told = current.number
                yield worker, {"switch": current.number}
            elif progress.asked < current.number:
                yield worker, self._ask(worker, current)

    def _ask(self, worker: int, generation: Generation) -> Document:
        self._workers[worker].asked = generation.number
        return {"generation": generation.number, "routes": dict(generation.routes)}
