"""Between fleet and conductor: what the workers counted goes up, what is granted goes down.

Guarantee: every canary is looked at several times a second, with the answers of all workers, those
that ended included. Where it ends: while the registry cannot be read nobody is granted anything, so
canaries come to rest and the champion answers.
"""

from __future__ import annotations

import time

from dagrun.engine.errors import DagrunError
from dagrun.server.supervisor.fleet import Fleet, Report
from dagrun.server.supervisor.routes import Route
from dagrun.server.traffic.conductor import CANARY, Conductor, grants
from dagrun.stages.catalog import DEFAULT_ALIAS, Catalog

_LOOK_SECONDS = 0.2


class Conducting:
    """Looks after the traffic of one fleet."""

    def __init__(self, catalog: Catalog | None, report: Report) -> None:
        """Look after the orders in a catalog; None for files, about which there are none."""
        self._report = report
        self._conductor = Conductor(catalog, report) if catalog else None
        self._looked, self._problem = 0.0, ""

    def look(self, fleet: Fleet) -> None:
        """Look at every model, if it is time to."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            for name, route in fleet.served.items():
                if route["alias"] == DEFAULT_ALIAS:
                    self._look_at(fleet, name, route)
            self._problem = ""
        except (DagrunError, OSError) as error:
            self._tell(error)

    def refused(self, name: str, why: str) -> None:
        """End the canary of a route that cannot be served with it."""
        try:
            if self._conductor:
                self._conductor.refused(name, why)
        except (DagrunError, OSError) as error:
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if str(error) != self._problem:
            self._report(f"canaries rest, as the registry cannot be used: {error}")
        self._problem = str(error)

    def _look_at(self, fleet: Fleet, name: str, route: Route) -> None:
        assert self._conductor  # only a catalog has aliases
        told = [arms[name] for arms in fleet.arms() if name in arms]
        verdict = self._conductor.look(route["model"]["version"]["name"], told)
        beside = route.get("traffic", {})
        if verdict is None or verdict.kind == "bad" or not beside.get("guarded"):
            return
        label, workers = beside["label"], fleet.serving
        granted = grants([worker.arms.get(name, {}) for worker in workers], label)
        for worker, answers in zip(workers, granted, strict=True):
            worker.send({"grant": {name: {"label": label, "answers": {CANARY: answers}}}})
