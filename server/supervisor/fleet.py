"""The fleet: the workers of one server, started, told what to serve, restarted, and ended.

Guarantee: a worker that dies is replaced, and only the calls on its connections suffer; totals
never fall, as those of the dead are kept; a change of what is to be served reaches all workers or
none. Everything happens in the thread that calls `turn`; `totals`, `readings` and `serving` may be
asked from others, and the attributes read. Where it ends: of what a killed worker counted since its
last snapshot, a quarter of a second at most, nothing is known; of a model that was replaced long
ago each worker forgets what it counted, one a moment before the other.
"""

from __future__ import annotations

import itertools
import selectors
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dagrun.server.observe import metrics
from dagrun.server.observe.metrics import Reading
from dagrun.server.observe.totals import ended, merge, remembered
from dagrun.server.supervisor.channel import Document
from dagrun.server.supervisor.member import Member
from dagrun.server.supervisor.problems import NotServed, WorkerDied
from dagrun.server.supervisor.rollout import MOST_DEATHS, Generation, Rollout
from dagrun.server.supervisor.routes import Route, Routes, describe
from dagrun.server.supervisor.settings import FleetSettings, Layout

Report = Callable[[str], None]


class Fleet:
    """The workers. Nothing is started before `start`."""

    def __init__(
        self,
        settings: FleetSettings,
        layout: Layout,
        *,
        store: Path | None,
        folder: Path,
        report: Report,
        on_served: Callable[[Routes, Routes], None] = lambda *_: None,
        on_refused: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        """Lay out the workers.

        Args:
            settings: how; the port is one that is held for them.
            layout: how many.
            store: where routes of versions are loaded from.
            folder: where private sockets are made; nobody else may enter it.
            report: gets a line about each change.
            on_served: called when all workers have switched, with the routes before and now.
            on_refused: called with a route's name and the reason when a change of it is refused.
        """
        self._settings, self._layout = settings, layout
        self._store, self._folder = store, folder
        self._report, self._on_served, self._on_refused = report, on_served, on_refused
        self._last = 0
        self._members: dict[int, Member] = {}
        self._burying = threading.Lock()
        """Held while a worker's totals go from it to those of the ended, and while all are read."""
        self._ended: Document = merge([])
        self._ended_arms: list[Document] = []
        self._selector = selectors.DefaultSelector()
        self._rollout = Rollout()
        self._refused: dict[str, Route] = {}
        self._wanted: Routes = {}
        self._served: Routes = {}
        self._due: dict[int, float] = {}
        self._pauses: dict[int, float] = {}
        self._asked_at, self.draining = 0.0, False
        self.start_report: list[str] = []

    def start(self, routes: Routes) -> None:
        """Start all workers and have them serve these routes, as far as `turn` is called."""
        self.want(routes)
        for slot in range(1, self._layout.workers + 1):
            self._start(slot)

    def want(self, routes: Routes, *, again: bool = False) -> None:
        """Roll these routes out; `again` also what was refused before."""
        if again:
            self._refused.clear()
        self._wanted = routes
        self._asked_at = time.monotonic()
        self._rollout.want(
            {
                name: self._served[name] if self._refused.get(name) == route else route
                for name, route in routes.items()
            }
        )

    @property
    def served(self) -> Routes:
        """What all workers serve."""
        return self._served

    def sockets(self) -> list[str]:
        """Return the paths of the private sockets of the workers that serve."""
        return [str(member.private) for member in self.serving]

    def watch(self, end: Any, callback: Callable[[], None]) -> None:
        """Have `callback` called by `turn` when there is something to read from `end`."""
        self._selector.register(end, selectors.EVENT_READ, callback)

    def turn(self, seconds: float) -> None:
        """Do what is to be done, wait for at most so long, and take in what has come.

        Raises `NotServed` or `WorkerDied` while nothing has been served yet.
        """
        if not self.draining:
            self._restart()
            self._order()
        for key, _ in self._selector.select(seconds):
            key.data()

    def looked(self) -> None:
        """Kill workers that have been silent for too many looks at them; this is one."""
        for member in self._members.values():
            member.silent += 1
            if member.silent > self._settings.silent_rounds:
                self._report(f"{member} gives no sign of life; it is killed")
                member.kill()

    def drain(self) -> None:
        """Have all workers finish and end; call `turn` until they are `gone`."""
        self.draining = True
        for member in self._members.values():
            member.send({"drain": True})

    def kill(self) -> None:
        """End all workers at once."""
        self.draining = True
        for member in self._members.values():
            member.kill()

    @property
    def gone(self) -> bool:
        """Whether no worker is left."""
        return not self._members

    @property
    def settled(self) -> bool:
        """Whether all workers serve what is wanted."""
        return self._rollout.settled and len(self._members) == self._layout.workers

    def totals(self) -> Document:
        """Return the sum of what all workers count and counted, for `observe.exposition`."""
        with self._burying:
            counted = [self._ended, *(member.snapshot for member in self._members.values())]
        return merge(counted)

    def readings(self) -> Iterator[Reading]:
        """Yield what only the supervisor knows, for `observe.exposition`."""
        yield Reading(metrics.WORKERS, (), len(self.serving))
        yield Reading(metrics.RESTARTS, (), max(0, self._last - self._layout.workers))
        yield Reading(metrics.READY, (), not self.unready())

    def unready(self) -> str:
        """Return why requests should go elsewhere, "" when they should come."""
        if self.draining:
            return "the server is stopping"
        return "" if self.serving else "no worker serves yet"

    @property
    def serving(self) -> list[Member]:
        """The workers that answer; they may be asked for from any thread."""
        members = dict(self._members)
        return [members[number] for number in self._rollout.serving if number in members]

    def arms(self) -> list[Document]:
        """Return what the arms of every worker did that there is or has been."""
        return [*self._ended_arms, *(member.arms for member in list(self._members.values()))]

    def _start(self, slot: int) -> None:
        self._last += 1
        member = Member(
            self._last,
            slot,
            self._settings,
            self._layout,
            store=self._store,
            folder=self._folder,
        )
        with self._burying:
            self._members[member.number] = member
        self._rollout.join(member.number)
        self.watch(member.channel, lambda: self._hear(member))

    def _restart(self) -> None:
        for slot, moment in list(self._due.items()):
            if time.monotonic() >= moment:
                del self._due[slot]
                self._start(slot)

    def _order(self) -> None:
        pending = self._rollout.pending
        if pending and pending.deaths >= MOST_DEATHS:
            text = f"{pending.deaths} workers died while they proved it"
            self._refuse(pending, {"": {"kind": "WorkerDied", "text": text, "store": False}})
        for number, order in self._rollout.orders():
            self._members[number].send(order)

    def _hear(self, member: Member) -> None:
        documents = member.channel.receive()
        if documents is None:
            self._bury(member)
            return
        member.silent = 0
        for said in documents:
            if "snapshot" in said:
                member.snapshot, member.arms = said["snapshot"], said["arms"]
            elif "proved" in said:
                self.start_report = self.start_report or list(
                    itertools.chain.from_iterable(said["report"].values())
                )
                self._rollout.proved(member.number, said["proved"])
            elif "serving" in said:
                if member.number > self._layout.workers and member not in self.serving:
                    self._report(f"{member} serves now")
                self._rollout.serves(member.number, said["serving"])
                self._tell_served()
            elif "failed" in said:
                self._fail(member, said["failed"], said["problems"])

    def _tell_served(self) -> None:
        """Once all have switched, say so."""
        current = self._rollout.current
        if current and self._rollout.settled and current.routes != self._served:
            before, self._served = self._served, current.routes
            with self._burying:
                living = [member.snapshot for member in self._members.values()]
                # One that has just started knows of no model yet, not even of those it serves.
                if all(snapshot["readings"] for snapshot in living):
                    self._ended = remembered(self._ended, living)
            seconds = time.monotonic() - self._asked_at
            self._on_served(before, current.routes)
            for name, route in current.routes.items():
                if before and before[name] != route:
                    was, now = describe(before[name]), describe(route)
                    self._report(f"{name}: {was} -> {now} on all workers in {seconds:.2f} s")

    def _fail(self, member: Member, number: int, problems: Mapping[str, Document]) -> None:
        if self.draining:
            return
        if not self._served:
            raise NotServed(problems)
        pending = self._rollout.pending
        if pending and pending.number == number:
            self._refuse(pending, problems)
        else:
            for problem in problems.values():
                self._report(f"{member} cannot serve what the others do: {problem['text']}")
            member.kill()

    def _refuse(self, pending: Generation, problems: Mapping[str, Document]) -> None:
        """Give up what is pending; the routes that have no problem are rolled out without it."""
        changed = {
            name: route for name, route in pending.routes.items() if self._served[name] != route
        }
        for name, route in changed.items():
            if problem := problems.get(name, problems.get("")):
                self._refused[name] = route
                was = describe(self._served[name])
                self._report(
                    f"{name}: {describe(route)} is refused, {was} is served on: {problem['text']}"
                )
                self._on_refused(name, problem["text"])
        self._rollout.abandon()
        self.want(self._wanted)

    def _bury(self, member: Member) -> None:
        """Keep the totals of a worker that has ended, and have another one started."""
        self._selector.unregister(member.channel)
        with self._burying:
            self._ended = merge([self._ended, ended(member.snapshot)])
            del self._members[member.number]
        if member.arms:
            self._ended_arms.append(member.arms)
        self._rollout.leave(member.number)
        how = f"{member} {member.ended()}"
        if self.draining:
            return
        if not self._served:
            raise WorkerDied(how)
        steady = time.monotonic() - member.started > self._settings.steady_seconds
        before = 0.0 if steady else self._pauses.get(member.slot, 0.0)
        first, most = self._settings.restart_seconds, self._settings.most_restart_seconds
        pause = self._pauses[member.slot] = min(most, max(first, 2 * before))
        self._due[member.slot] = time.monotonic() + pause
        self._report(f"{how}; another one starts in {pause:.1f} s")
