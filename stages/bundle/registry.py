"""The registry: numbered, immutable versions of bundles, and aliases that move between them.

Guarantee: a version never changes and its number is never used again; one bundle is one version,
however often and from however many processes it is registered. Every move of an alias is kept
with who, when and why. It is built on the store's refs: `models/<name>/versions/<n>` and
`models/<name>/aliases/<alias>`; the bundle's bytes are a blob.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from dagrun.engine.context import current
from dagrun.engine.store.refs import ANY, Ref, RefConflict
from dagrun.engine.store.store import Store
from dagrun.stages.bundle.bundle import Bundle, BundleDamaged
from dagrun.stages.bundle.field_numbers import Field, give_fields
from dagrun.stages.bundle.versions import (
    AliasMove,
    ModelVersion,
    NameInvalid,
    NothingToRollBack,
    NotRegistered,
)
from dagrun.stages.features import Column

DEFAULT_ALIAS = "champion"

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


class Registry:
    """Models, their versions and aliases in one store. Reading takes no lock."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def models(self) -> tuple[str, ...]:
        """Return the names of all models, sorted."""
        names = self._store.refs.names("models/")
        return tuple(sorted({name.split("/")[1] for name in names}))

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Return all versions of a model, oldest first. Raises `NotRegistered`."""
        numbers = self._numbers(name)
        if not numbers:
            raise NotRegistered("model", name, self.models())
        return tuple(self.version(name, number) for number in numbers)

    def version(self, name: str, number: int) -> ModelVersion:
        """Return one version of a model. Raises `NotRegistered`."""
        ref = self._store.refs.read(_version_ref(name, number))
        if ref is None:
            numbers = self._numbers(name)
            if not numbers:
                raise NotRegistered("model", name, self.models())
            raise NotRegistered(f"version of {name}", str(number), map(str, numbers))
        return _model_version(name, number, ref)

    def aliases(self, name: str) -> dict[str, int]:
        """Return the version each alias of a model points to, by alias, sorted."""
        prefix = f"models/{name}/aliases/"
        found = {ref: self._store.refs.read(ref) for ref in self._store.refs.names(prefix)}
        return {
            ref.removeprefix(prefix): state.value["version"]
            for ref, state in found.items()
            if state
        }

    def alias(self, name: str, alias: str = DEFAULT_ALIAS) -> ModelVersion:
        """Return the version that an alias points to. Raises `NotRegistered`."""
        ref = self._store.refs.read(_alias_ref(name, alias))
        if ref is None:
            if not self._numbers(name):
                raise NotRegistered("model", name, self.models())
            raise NotRegistered(f"alias of {name}", alias, self.aliases(name))
        return self.version(name, ref.value["version"])

    def resolve(self, target: str) -> ModelVersion:
        """Return what `name`, `name@alias` or `name@version` means; `name` is its champion.

        Raises `NotRegistered`, naming the nearest that exists.
        """
        name, _, which = target.partition("@")
        return (
            self.version(name, int(which))
            if which.isdecimal()
            else self.alias(name, which or DEFAULT_ALIAS)
        )

    def load(self, version: ModelVersion) -> Bundle:
        """Read a version's bundle. Raises `DamagedBlob` or `BundleDamaged`."""
        bundle = Bundle.from_bytes(self._store.blobs.read(version.blob))
        if bundle.digest != version.bundle:
            found = f"has digest {bundle.digest[:12]}, {version} is {version.bundle[:12]}"
            raise BundleDamaged("the manifest", found)
        return bundle

    def fields(self, name: str, columns: Sequence[Column]) -> tuple[Field, ...]:
        """Return all fields that typed rows of a model ever had, those of `columns` among them.

        Columns that have no number yet are given one, for ever.
        """
        return give_fields(self._store.refs, _checked("a model", name), columns)

    def register(
        self,
        name: str,
        bundle: Bundle,
        *,
        alias: str | None = None,
        reason: str = "",
        run_id: str = "",
    ) -> ModelVersion:
        """Add a bundle as the model's next version, or find the version it already is.

        Args:
            name: the model's name.
            bundle: what to register.
            alias: an alias to point to the version. Publishing what was the last to be published
                there changes nothing, so that a rollback or a promotion since then stands.
            reason: why, kept in the history.
            run_id: the run that made it.
        """
        self.check_alias(name, alias)
        blob = self._store.blobs.put_bytes(bundle.to_bytes())  # first: it heals a damaged one
        value = {"bundle": bundle.digest, "blob": blob, "run": run_id}
        version = self._find(name, bundle.digest) or self._add(name, value, reason)
        self.fields(name, bundle.spec.inputs)  # so that numbers follow the order of versions
        if alias is not None:
            self._publish(version, alias, reason)
        return version

    def _publish(self, version: ModelVersion, alias: str, reason: str) -> None:
        name, ref = version.name, _alias_ref(version.name, alias)
        moves = self.history(name, alias) if self._store.refs.read(ref) else ()
        published = [move.version for move in moves if move.published]
        if published[-1:] != [version.version]:
            self._move_alias(name, alias, version.version, published=True, reason=reason)
        elif moves[-1].version != version.version:
            _LOG.warning(
                "%s@%s stays at @%d, where it was moved since @%d was published (%s). "
                "To have that one again: dagrun registry promote %s %s --reason ...",
                *(name, alias, moves[-1].version, version.version, moves[-1].reason),
                *(version, alias),
            )

    def check_alias(self, name: str, alias: str | None) -> None:
        """Raise `NameInvalid` for a name that no alias can have."""
        if alias is not None:
            _alias_ref(name, alias)

    def set_alias(self, name: str, alias: str, version: int, *, reason: str) -> AliasMove:
        """Point an alias to a version; when it points there already, nothing is recorded.

        Raises `NotRegistered` when there is no such version.
        """
        self.version(name, version)
        present = self._store.refs.read(_alias_ref(name, alias))
        if present is not None and present.value["version"] == version:
            return _move(alias, present)
        return self._move_alias(name, alias, version, reason=reason)

    def history(self, name: str, alias: str = DEFAULT_ALIAS) -> tuple[AliasMove, ...]:
        """Return every move of an alias, oldest first. Raises `NotRegistered`."""
        self.alias(name, alias)
        states = self._store.refs.history(_alias_ref(name, alias))
        return tuple(_move(alias, state) for state in states)

    def rollback(self, name: str, alias: str = DEFAULT_ALIAS, *, reason: str) -> AliasMove:
        """Point an alias to the version it had before; a second rollback goes further back.

        Raises:
            NotRegistered: there is no such alias.
            NothingToRollBack: it has no earlier version.
            RefConflict: somebody moved it at the same moment.
        """
        self.alias(name, alias)
        states = self._store.refs.history(_alias_ref(name, alias))
        before: list[int] = []
        for state in states:
            if state.value["rollback"]:
                before.pop()
            elif before[-1:] != [state.value["version"]]:
                before.append(state.value["version"])
        if len(before) < 2:
            raise NothingToRollBack(name, alias)
        return self._move_alias(
            name, alias, before[-2], rollback=True, expect=states[-1], reason=reason
        )

    def _numbers(self, name: str) -> list[int]:
        prefix = f"models/{_checked('a model', name)}/versions/"
        return sorted(int(ref.removeprefix(prefix)) for ref in self._store.refs.names(prefix))

    def _find(self, name: str, digest: str) -> ModelVersion | None:
        versions = (self.version(name, number) for number in self._numbers(name))
        return next((version for version in versions if version.bundle == digest), None)

    def _add(self, name: str, value: dict[str, str], reason: str) -> ModelVersion:
        while True:
            number = max(self._numbers(name), default=0) + 1
            try:
                ref = self._store.refs.update(
                    _version_ref(name, number), value, expect=None, reason=reason
                )
            except RefConflict:
                # Another process was faster; it may even have registered this very bundle.
                if found := self._find(name, value["bundle"]):
                    return found
            else:
                return _model_version(name, number, ref)

    def _move_alias(
        self,
        name: str,
        alias: str,
        version: int,
        *,
        reason: str,
        rollback: bool = False,
        published: bool = False,
        expect: Ref | None = ANY,
    ) -> AliasMove:
        value = {"version": version, "rollback": rollback, "published": published}
        ref = self._store.refs.update(_alias_ref(name, alias), value, expect=expect, reason=reason)
        return _move(alias, ref)


def register(
    name: str,
    bundle: Bundle,
    *,
    alias: str | None = None,
    reason: str = "",
    store: Store | None = None,
) -> ModelVersion:
    """Register a bundle from within an effect, or in a given store.

    Registering the same bundle again returns the version it already is. Raises `DefinitionError`
    when there is neither a running stage nor a `store`.
    """
    if store is not None:
        return Registry(store).register(name, bundle, alias=alias, reason=reason)
    context = current()
    return Registry(context.store).register(
        name, bundle, alias=alias, reason=reason, run_id=context.run_id
    )


def _checked(what: str, name: str) -> str:
    if not _NAME.fullmatch(name) or (what == "an alias" and name.isdecimal()):
        raise NameInvalid(what, name)
    return name


def _version_ref(name: str, number: int) -> str:
    return f"models/{_checked('a model', name)}/versions/{number}"


def _alias_ref(name: str, alias: str) -> str:
    return f"models/{_checked('a model', name)}/aliases/{_checked('an alias', alias)}"


def _model_version(name: str, number: int, ref: Ref) -> ModelVersion:
    value: dict[str, Any] = ref.value
    return ModelVersion(
        name=name,
        version=number,
        bundle=value["bundle"],
        blob=value["blob"],
        run_id=value["run"],
        at=ref.at,
        by=ref.by,
        reason=ref.reason,
    )


def _move(alias: str, ref: Ref) -> AliasMove:
    return AliasMove(
        alias=alias,
        version=ref.value["version"],
        rollback=ref.value["rollback"],
        published=ref.value["published"],
        at=ref.at,
        by=ref.by,
        reason=ref.reason,
    )
