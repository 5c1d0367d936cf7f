"""Routes: what the names that requests use mean at one moment, and noticing that it changed.

Guarantee: a route names its bundles completely (a version with its digests, or a file as it was)
and every worker that takes it serves the same bytes, whenever it looks. `Watch.changed` notices
every move of an alias and every order about traffic, by one `stat` each and without a lock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dagrun.engine.errors import DefinitionError
from dagrun.server.traffic.orders import orders_ref
from dagrun.server.traffic.wanted import wanted
from dagrun.stages.catalog import DEFAULT_ALIAS, Catalog, alias_ref, served_alias, served_name

Route = dict[str, Any]
"""`{"model": ..., "alias": ...}`, where a model is `{"version": ...}` or `{"file": ...}`; that of a
champion with `traffic` where its orders want something (see `dagrun.server.traffic.wanted`)."""
Routes = Mapping[str, Route]
"""By the name that requests use; for a file by its path, as its name is inside."""

Stamp = tuple[int, int, int] | None


class NamedTwice(DefinitionError):
    """A server was asked to serve one name twice."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} is named twice; a server answers for different names")


class Watch:
    """What some targets mean, looked up again when asked."""

    def __init__(self, targets: Iterable[str | Path], catalog: Catalog | None) -> None:
        """Watch `name[@alias|@version]`s of a catalog and files (`Path`).

        Raises `NamedTwice`, `NameInvalid`, or `DefinitionError` when a catalog is needed.
        """
        self._targets: dict[str, str | Path] = {}
        for target in targets:
            name = served_name(str(target))
            if name in self._targets:
                raise NamedTwice(name)
            self._targets[name] = target
        self._catalog = catalog
        self._seen: list[Stamp] = []
        self._refs = [
            catalog.store.refs.paths(ref)[0]
            for target in self._targets.values()
            if catalog is not None and (alias := _alias(target))
            for ref in (alias_ref(*alias), orders_ref(alias[0]))
        ]

    @property
    def names(self) -> Sequence[str]:
        """The names of the routes."""
        return list(self._targets)

    @property
    def models(self) -> Sequence[str]:
        """The names in the catalog that the routes are about, sorted."""
        given = (target for target in self._targets.values() if isinstance(target, str))
        return sorted({target.partition("@")[0] for target in given})

    def changed(self) -> bool:
        """Return whether an alias was touched since `routes` was last called."""
        return self._stamps() != self._seen

    def routes(self) -> Routes:
        """Look everything up.

        Raises `NotRegistered`, `StoreError` (`DamagedRef` among them) or `OSError` for a file.
        """
        self._seen = self._stamps()
        return {name: self._route(target) for name, target in self._targets.items()}

    def _route(self, target: str | Path) -> Route:
        if isinstance(target, Path):
            return {"model": {"file": str(target), "stamp": stamp(target)}, "alias": ""}
        if self._catalog is None:
            raise DefinitionError(f"{target!r} is a name in a registry, and no registry was given")
        version = self._catalog.resolve(target)
        alias = _alias(target)
        route = {"model": {"version": asdict(version)}, "alias": alias[1] if alias else ""}
        if route["alias"] == DEFAULT_ALIAS:
            beside = wanted(self._catalog, version.name, version.version)
            return route | ({"traffic": beside} if beside else {})
        return route

    def _stamps(self) -> list[Stamp]:
        return [stamp(path) for path in self._refs]


def describe(route: Route) -> str:
    """Return how to call a route's models, as `@3 with canary @4 (5 %)`; a file by its age."""
    beside = route.get("traffic", {})
    arms = [
        f"{arm} {_called(other['model'])} ({100 * other['share']:g} %)"
        for arm, other in beside.get("others", {}).items()
    ]
    if shadow := beside.get("shadow"):
        arms.append(f"shadow {_called(shadow['model'])} ({100 * shadow['share']:g} %)")
    return " with ".join(filter(None, (_called(route["model"]), ", ".join(arms))))


def _called(model: Mapping[str, Any]) -> str:
    if "version" in model:
        return f"@{model['version']['version']}"
    if model["stamp"] is None:
        return "no file"
    return f"the file of {dt.datetime.fromtimestamp(model['stamp'][1] / 1e9):%Y-%m-%d %H:%M:%S}"


def _alias(target: str | Path) -> tuple[str, str] | None:
    """Return model and alias of a target that is an alias."""
    if isinstance(target, Path):
        return None
    alias = served_alias(target)
    return (target.partition("@")[0], alias) if alias else None


def stamp(path: Path) -> Stamp:
    """Return what tells a file's states apart, None where there is no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
