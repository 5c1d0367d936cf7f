"""Trying what `staging` points to on the prediction log, whenever the alias moves.

Guarantee: what is served is not touched: the replay is a process of its own, of a low
priority, one at a time, that ends with the server; its report is kept in the registry, and a
replay that did not get so far is begun again by the next server. Where it ends: the rows are those
in this server's log at that moment.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence

from dagrun.engine.errors import StoreError
from dagrun.engine.store.store import Store
from dagrun.server.supervisor.routes import Stamp, stamp
from dagrun.server.traffic.replays import STAGING, ReplayBook
from dagrun.stages.catalog import alias_ref

_NICE = 10
"""A tenth of the CPU time of what serves, where both want it: at 19 it would stand still."""
_PATIENCE = 5.0
_UNSEEN: Stamp = (-1, -1, -1)


class Staging:
    """Looks after the alias `staging` of some models."""

    def __init__(
        self,
        store: Store | None,
        models: Iterable[str],
        command: Sequence[str],
        report: Callable[[str], None],
    ) -> None:
        """Watch these models; without a store or a command nothing is.

        Args:
            store: where the aliases and the reports are.
            models: names in the registry.
            command: what replays and keeps a report, given `name@staging` as its last argument.
            report: gets a line about each replay.
        """
        self._command, self._report = list(command), report
        self._book = ReplayBook(store) if store and command else None
        self._paths = (
            {name: store.refs.paths(alias_ref(name, STAGING))[0] for name in models}
            if store
            else {}
        )
        self._seen: dict[str, Stamp] = dict.fromkeys(self._paths, _UNSEEN)
        self._due: list[str] = []
        self._running: tuple[str, subprocess.Popen[bytes]] | None = None

    def look(self) -> None:
        """Begin or end what is to be begun or ended; it takes a `stat` for each model."""
        if self._book is None:
            return
        for name, path in self._paths.items():
            if (now := stamp(path)) != self._seen[name]:
                self._seen[name] = now
                if self._is_due(name) and name not in self._due:
                    self._due.append(name)
        if self._running and self._running[1].poll() is not None:
            self._tell(*self._running)
            self._running = None
        if self._due and not self._running:
            self._begin(self._due.pop(0))

    def close(self) -> None:
        """End a replay that is under way."""
        if self._running:
            process = self._running[1]
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)
            process.kill()
            process.wait()
            self._running = None

    def _is_due(self, name: str) -> bool:
        assert self._book
        try:
            return self._book.due(name)
        except StoreError as error:
            self._report(f"{name}@{STAGING} is not replayed: {error}")
            return False

    def _begin(self, name: str) -> None:
        process = subprocess.Popen(
            [*self._command, f"{name}@{STAGING}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        self._running = name, process

    def _tell(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Say what came of a replay that has ended."""
        assert self._book
        if self._is_due(name) or not self._book.reports(name):
            self._report(f"the replay of {name}@{STAGING} ended with code {process.returncode}")
            return
        (report, _) = self._book.reports(name)[-1]
        outcomes = report["replayed"]
        rows, labels = (sum(one[key] or 0 for one in outcomes) for key in ("rows", "labels"))
        found = report["problem"] or f"{rows:,} logged rows replayed, {labels:,} other labels"
        self._report(
            f"{name}@{STAGING} is @{report['version']}: {found} (see: dagrun traffic staged {name})"
        )
