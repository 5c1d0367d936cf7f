"""The registry: numbered, immutable versions of bundles, and aliases that move between them.

Guarantee: that of `dagrun.stages.catalog`, and one bundle is one version, however often and from
however many processes it is registered. The bundle's bytes are a blob of the store.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dagrun.engine.context import current
from dagrun.engine.stage import Verdict
from dagrun.engine.store.refs import RefConflict
from dagrun.engine.store.store import Store
from dagrun.engine.verdicts import keep_form, keep_verdict, verdict_on
from dagrun.stages.bundle.bundle import Bundle, BundleDamaged
from dagrun.stages.bundle.field_numbers import Field, give_fields
from dagrun.stages.catalog import (
    DEFAULT_ALIAS,
    Catalog,
    alias_ref,
    checked_model,
    model_version,
    version_ref,
)
from dagrun.stages.features import Column
from dagrun.stages.versions import ModelVersion, VerdictOfAnother

__all__ = ["DEFAULT_ALIAS", "Registry", "register"]

REFRESHED = "refreshed"
"""The lineage's name for the bundle that another one was renewed from."""
_LOG = logging.getLogger(__name__)


class Registry(Catalog):
    """Models, their versions and aliases in one store, and the bundles. Reading takes no lock."""

    def load(self, version: ModelVersion) -> Bundle:
        """Read a version's bundle. Raises `DamagedBlob` or `BundleDamaged`."""
        bundle = Bundle.from_bytes(self.store.blobs.read(version.blob))
        if bundle.digest != version.bundle:
            found = f"has digest {bundle.digest[:12]}, {version} is {version.bundle[:12]}"
            raise BundleDamaged("the manifest", found)
        return bundle

    def fields(self, name: str, columns: Sequence[Column]) -> tuple[Field, ...]:
        """Return all fields that typed rows of a model ever had, those of `columns` among them.

        Columns that have no number yet are given one, for ever.
        """
        return give_fields(self.store.refs, checked_model(name), columns)

    def register(
        self,
        name: str,
        bundle: Bundle,
        *,
        alias: str | None = None,
        reason: str = "",
        run_id: str = "",
        verdict: Verdict | None = None,
        override: str = "",
    ) -> ModelVersion:
        """Add a bundle as the model's next version, or find the version it already is.

        Args:
            name: the model's name.
            bundle: what to register.
            alias: an alias to point to the version. Publishing what was the last to be published
                there changes nothing, so that a rollback or a promotion since then stands.
            reason: why, kept in the history.
            run_id: the run that made it.
            verdict: what its gate said, kept with its numbers by the bundle's digest.
            override: why it is to be the champion although its gates refused it.

        Raises:
            VersionRefused: it would be the champion, and its gates refused it; the version is
                there then, the alias where it was.
            VerdictOfAnother: the verdict is on another bundle.
        """
        self.check_alias(name, alias)
        self._keep(bundle, verdict, f"registered as {name}")
        blob = self.store.blobs.put_bytes(bundle.to_bytes())  # first: it heals a damaged one
        value = {"bundle": bundle.digest, "blob": blob, "run": run_id}
        version = self._find(name, bundle.digest) or self._add(name, value, reason)
        self.fields(name, bundle.spec.inputs)  # so that numbers follow the order of versions
        if alias is not None:
            self._publish(version, alias, reason, override)
        return version

    def _keep(self, bundle: Bundle, verdict: Verdict | None, where: str) -> None:
        refs, before = self.store.refs, bundle.lineage.inputs.get(REFRESHED)
        if verdict is not None:
            if verdict.subject not in ("", bundle.digest):
                raise VerdictOfAnother(bundle.digest, verdict.subject)
            keep_verdict(refs, verdict, said_in=where, subject=bundle.digest)
        elif before is not None and verdict_on(refs, bundle.digest) is None:
            # Nobody has judged it: a refusal of the one that it was renewed from stands.
            said = verdict_on(refs, before)
            if said is not None and not said.passed:
                keep_form(refs, bundle.digest, said.form, said_in=f"refreshed from {before[:12]}")

    def _publish(self, version: ModelVersion, alias: str, reason: str, override: str) -> None:
        name, ref = version.name, alias_ref(version.name, alias)
        moves = self.history(name, alias) if self.store.refs.read(ref) else ()
        published = [move.version for move in moves if move.published]
        if published[-1:] != [version.version]:
            self.move_alias(
                name, alias, version.version, published=True, reason=reason, override=override
            )
        elif moves[-1].version != version.version:
            _LOG.warning(
                "%s@%s stays at @%d, where it was moved since @%d was published (%s). "
                "To have that one again: dagrun registry promote %s %s --reason ...",
                *(name, alias, moves[-1].version, version.version, moves[-1].reason),
                *(version, alias),
            )

    def _find(self, name: str, digest: str) -> ModelVersion | None:
        versions = (self.version(name, number) for number in self.numbers(name))
        return next((version for version in versions if version.bundle == digest), None)

    def _add(self, name: str, value: dict[str, str], reason: str) -> ModelVersion:
        while True:
            number = max(self.numbers(name), default=0) + 1
            try:
                ref = self.store.refs.update(
                    version_ref(name, number), value, expect=None, reason=reason
                )
            except RefConflict:
                # Another process was faster; it may even have registered this very bundle.
                if found := self._find(name, value["bundle"]):
                    return found
            else:
                return model_version(name, number, ref)


def register(
    name: str,
    bundle: Bundle,
    *,
    alias: str | None = None,
    reason: str = "",
    store: Store | None = None,
    verdict: Verdict | None = None,
    override: str = "",
) -> ModelVersion:
    """Register a bundle from within an effect, or in a given store; see `Registry.register`.

    Registering the same bundle again returns the version it already is. Raises `DefinitionError`
    when there is neither a running stage nor a `store`.
    """
    context = None if store is not None else current()
    return Registry(store or current().store).register(
        name,
        bundle,
        alias=alias,
        reason=reason,
        run_id=context.run_id if context else "",
        verdict=verdict,
        override=override,
    )
