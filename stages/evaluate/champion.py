"""The champion as a param: the model that a new one has to beat.

Guarantee: of a stage that takes a bundle, `Champion` is the newest champion that is not this very
bundle, and that one's digest is in the stage's key: publishing the bundle does not have it judged
again, and promoting any other one does. One that was rolled back from is not meant any more.
Where it ends: the alias is asked when a run is planned, and once more when the stage runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dagrun.engine.canonical import Json
from dagrun.engine.statcache import StatCache
from dagrun.engine.store.store import Store
from dagrun.stages.bundle import Bundle, ModelVersion, NotRegistered, Registry
from dagrun.stages.catalog import DEFAULT_ALIAS


@dataclass(frozen=True, slots=True)
class Champion:
    """A model's champion: `champion: Champion = Champion("flights")`.

    Attributes:
        name: the model; it need not be registered yet.
        alias: the alias meant.
    """

    name: str
    alias: str = DEFAULT_ALIAS
    _root: Path | None = field(default=None, compare=False, repr=False)

    def bind(self, root: Path, stats: StatCache) -> Champion:  # noqa: ARG002
        """Return a copy that looks in the project at `root`."""
        return Champion(self.name, self.alias, root)

    def identity(self, where: str = "Champion") -> Json:  # noqa: ARG002 - nothing can fail
        """Return the digests it may mean: the first that is no input of the stage is in the key."""
        digests = dict.fromkeys(version.bundle for version in self._held())
        return {"$first_not_input": list(digests)[:2]}

    def before(self, bundle: Bundle) -> tuple[ModelVersion, Bundle] | None:
        """Return the newest champion that is not this bundle; None if there was none.

        Raises `DamagedBlob` or `BundleDamaged`.
        """
        others = (version for version in self._held() if version.bundle != bundle.digest)
        found = next(others, None)
        return (found, self._registry.load(found)) if found else None

    def _held(self) -> Iterator[ModelVersion]:
        """Yield the versions that held the alias and were not rolled back from, newest first."""
        try:
            standing = self._registry.standing(self.name, self.alias)
        except NotRegistered:
            return
        for version in reversed(standing):
            yield self._registry.version(self.name, version)

    @property
    def _registry(self) -> Registry:
        return Registry(Store.open(self._root or Path()))
