"""The catalog: the registry as names and numbers, without what the versions hold.

Guarantee: a version never changes and its number is never used again; every move of an alias is
kept with who, when and why. A version that its gates refused becomes the champion only by an
override, which is kept with the move: all ways to move an alias end in `move_alias`. It is built
on the store's refs: `models/<name>/versions/<n>` and `models/<name>/aliases/<alias>`. Nothing heavy
is imported, so that whoever only asks which version an alias means, or moves it, starts at once;
the bundles are `dagrun.stages.bundle.Registry`'s.
"""

from __future__ import annotations

import re
from typing import Any

from dagrun.engine.store.refs import ANY, Ref
from dagrun.engine.store.store import Store
from dagrun.engine.verdicts import Said, verdict_on
from dagrun.stages.versions import (
    AliasMove,
    ModelVersion,
    NameInvalid,
    NothingToRollBack,
    NotRegistered,
    VersionRefused,
)

DEFAULT_ALIAS = "champion"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


class Catalog:
    """Models, their versions and aliases in one store. Reading takes no lock."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def models(self) -> tuple[str, ...]:
        """Return the names of all models, sorted."""
        names = self.store.refs.names("models/")
        return tuple(sorted({name.split("/")[1] for name in names}))

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """Return all versions of a model, oldest first. Raises `NotRegistered`."""
        numbers = self.numbers(name)
        if not numbers:
            raise NotRegistered("model", name, self.models())
        return tuple(self.version(name, number) for number in numbers)

    def version(self, name: str, number: int) -> ModelVersion:
        """Return one version of a model. Raises `NotRegistered`."""
        ref = self.store.refs.read(version_ref(name, number))
        if ref is None:
            numbers = self.numbers(name)
            if not numbers:
                raise NotRegistered("model", name, self.models())
            raise NotRegistered(f"version of {name}", str(number), map(str, numbers))
        return model_version(name, number, ref)

    def aliases(self, name: str) -> dict[str, int]:
        """Return the version each alias of a model points to, by alias, sorted."""
        prefix = f"models/{name}/aliases/"
        found = {ref: self.store.refs.read(ref) for ref in self.store.refs.names(prefix)}
        return {
            ref.removeprefix(prefix): state.value["version"]
            for ref, state in found.items()
            if state
        }

    def alias(self, name: str, alias: str = DEFAULT_ALIAS) -> ModelVersion:
        """Return the version that an alias points to. Raises `NotRegistered`."""
        ref = self.store.refs.read(alias_ref(name, alias))
        if ref is None:
            if not self.numbers(name):
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

    def check_alias(self, name: str, alias: str | None) -> None:
        """Raise `NameInvalid` for a name that no alias can have."""
        if alias is not None:
            alias_ref(name, alias)

    def verdict(self, version: ModelVersion) -> Said | None:
        """Return what gates said last of a version; None when none has judged it."""
        return verdict_on(self.store.refs, version.bundle)

    def admit(self, name: str, version: int, override: str) -> str:
        """Return the override that a version needs to answer for the champion, "" for none.

        Raises `VersionRefused` where its gates refused it and no `override` is given.
        """
        said = self.verdict(self.version(name, version))
        if said is None or said.passed:
            return ""
        if not override:
            raise VersionRefused(f"{name}@{version}", f"{name}@{DEFAULT_ALIAS}", said.refused)
        return override

    def set_alias(
        self, name: str, alias: str, version: int, *, reason: str, override: str = ""
    ) -> AliasMove:
        """Point an alias to a version; when it points there already, nothing is recorded.

        Raises `NotRegistered` when there is no such version, `VersionRefused` for a champion that
        its gates refused, without an `override` that says why.
        """
        self.version(name, version)
        present = self.store.refs.read(alias_ref(name, alias))
        if present is not None and present.value["version"] == version:
            return _move(alias, present)
        return self.move_alias(name, alias, version, reason=reason, override=override)

    def history(self, name: str, alias: str = DEFAULT_ALIAS) -> tuple[AliasMove, ...]:
        """Return every move of an alias, oldest first. Raises `NotRegistered`."""
        self.alias(name, alias)
        states = self.store.refs.history(alias_ref(name, alias))
        return tuple(_move(alias, state) for state in states)

    def standing(self, name: str, alias: str = DEFAULT_ALIAS) -> list[int]:
        """Return the versions an alias has had, oldest first, without those rolled back from.

        Raises `NotRegistered`.
        """
        found: list[int] = []
        for move in self.history(name, alias):
            if move.rollback:
                found.pop()
            elif found[-1:] != [move.version]:
                found.append(move.version)
        return found

    def rollback(
        self, name: str, alias: str = DEFAULT_ALIAS, *, reason: str, override: str = ""
    ) -> AliasMove:
        """Point an alias to the version it had before; a second rollback goes further back.

        Raises:
            NotRegistered: there is no such alias.
            NothingToRollBack: it has no earlier version.
            VersionRefused: gates refused that one since, and there is no `override`.
            RefConflict: somebody moved it at the same moment.
        """
        before = self.standing(name, alias)
        states = self.store.refs.history(alias_ref(name, alias))
        if len(before) < 2:
            raise NothingToRollBack(name, alias)
        return self.move_alias(
            name,
            alias,
            before[-2],
            rollback=True,
            expect=states[-1],
            reason=reason,
            override=override,
        )

    def numbers(self, name: str) -> list[int]:
        """Return the numbers of a model's versions, ascending; none for an unknown model."""
        prefix = f"models/{_checked('a model', name)}/versions/"
        return sorted(int(ref.removeprefix(prefix)) for ref in self.store.refs.names(prefix))

    def move_alias(
        self,
        name: str,
        alias: str,
        version: int,
        *,
        reason: str,
        rollback: bool = False,
        published: bool = False,
        expect: Ref | None = ANY,
        override: str = "",
    ) -> AliasMove:
        """Point an alias to a version as it is said.

        Raises `RefConflict` unless it is at `expect`, and `VersionRefused` as `set_alias` does.
        """
        value: dict[str, Any] = {"version": version, "rollback": rollback, "published": published}
        if alias == DEFAULT_ALIAS and (needed := self.admit(name, version, override)):
            value["override"] = needed
        ref = self.store.refs.update(alias_ref(name, alias), value, expect=expect, reason=reason)
        return _move(alias, ref)


def _checked(what: str, name: str) -> str:
    if not _NAME.fullmatch(name) or (what == "an alias" and name.isdecimal()):
        raise NameInvalid(what, name)
    return name


def served_name(target: str) -> str:
    """Return the name that requests use for a target: `name@champion` is `name` itself."""
    return target.removesuffix(f"@{DEFAULT_ALIAS}")


def served_alias(target: str) -> str:
    """Return the alias that a target follows, "" for a version by its number."""
    which = target.partition("@")[2]
    return "" if which.isdecimal() else which or DEFAULT_ALIAS


def checked_model(name: str) -> str:
    """Return a name that a model can have. Raises `NameInvalid`."""
    return _checked("a model", name)


def version_ref(name: str, number: int) -> str:
    """Return the ref of a version. Raises `NameInvalid`."""
    return f"models/{_checked('a model', name)}/versions/{number}"


def alias_ref(name: str, alias: str) -> str:
    """Return the ref of an alias. Raises `NameInvalid`."""
    return f"models/{_checked('a model', name)}/aliases/{_checked('an alias', alias)}"


def model_version(name: str, number: int, ref: Ref) -> ModelVersion:
    """Return the version that a ref describes."""
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
        override=ref.value.get("override", ""),
        at=ref.at,
        by=ref.by,
        reason=ref.reason,
    )
