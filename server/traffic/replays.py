"""What replays of the prediction log have found about a model's versions, kept in its registry.

Guarantee: a report is kept in the ref `replayed/<name>`, whose history knows who and when, and is
never rewritten. Nothing heavy is imported. Where it ends: a report tells of the rows that were in
the log at that moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagrun.engine.store.refs import Ref
from dagrun.engine.store.store import Store
from dagrun.stages.catalog import alias_ref, checked_model

STAGING = "staging"
"""The alias whose version is tried on what was logged as soon as it moves."""

Report = Mapping[str, Any]
"""`version`, `bundle` and `moved_at` of the alias that was replayed; `log`, `first` and `last`, a
folder and two moments; `problem`, "" or why nothing was compared; `replayed`, a list of outcomes
(`dagrun.stages.monitor.Replayed`, as documents)."""


class ReplayBook:
    """The reports about every model of one store."""

    def __init__(self, store: Store) -> None:
        self._refs = store.refs

    def keep(self, name: str, report: Report) -> None:
        """Add a report about a model."""
        reason = report["problem"] or "replayed"
        self._refs.update(_ref(name), dict(report), reason=reason)

    def reports(self, name: str) -> Sequence[tuple[Report, Ref]]:
        """Return all reports about a model, oldest first."""
        return [(ref.value, ref) for ref in self._refs.history(_ref(name))]

    def staged(self, name: str) -> Ref | None:
        """Return where the alias `staging` of a model points, None when there is none."""
        return self._refs.read(alias_ref(name, STAGING))

    def due(self, name: str) -> bool:
        """Return whether `staging` has moved since the last report about it."""
        staged, last = self.staged(name), self._refs.read(_ref(name))
        return staged is not None and (last is None or last.value["moved_at"] != staged.at)


def _ref(name: str) -> str:
    return f"replayed/{checked_model(name)}"
