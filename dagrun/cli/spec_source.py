"""How a command line names a feature spec: by the registry, as a file, or as an artifact.

`NAME`, `NAME@ALIAS` and `NAME@VERSION` mean a model of the registry, a path a bundle's or spec's
file, and anything else an artifact of the pipeline, named as `dagrun diff` takes it. A model's
name wins over an artifact's; `last:NAME` is always the artifact.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from dagrun.cli.models import find_source
from dagrun.cli.opening import NoStore, open_store, use_project
from dagrun.engine.errors import DefinitionError, listing, nearest
from dagrun.engine.explaining.artifacts import Artifacts, UnknownArtifact
from dagrun.engine.workspace import Workspace
from dagrun.stages.bundle import Bundle, Registry, read_bundle
from dagrun.stages.features import FeatureSpec
from dagrun.stages.features.codec import SPEC
from dagrun.ui.quantities import short

_CODECS = ("dagrun.stages.bundle.codec:BUNDLE", "dagrun.stages.features.codec:SPEC")


class NoSpec(DefinitionError):
    """What was named is there, but holds no feature spec."""

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what
        super().__init__(
            f"{name} is {what}, which holds no feature spec; name a model, a bundle, or the "
            "artifact of a stage that returns a FeatureSpec or a Bundle"
        )


class NoModelOrArtifact(DefinitionError):
    """A name means neither a model of the registry nor an artifact of the pipeline."""

    def __init__(self, name: str, models: tuple[str, ...], artifacts: tuple[str, ...]) -> None:
        self.name, self.models, self.artifacts = name, models, artifacts
        super().__init__(
            f"{name!r} names no model and no artifact.{nearest(name, (*models, *artifacts))} "
            f"Models: {listing(models)}. Artifacts: {listing(artifacts)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A spec, what it is called, and the bundle that it is in, if it is in one."""

    label: str
    spec: FeatureSpec
    bundle: Bundle | None = None


def find_spec(name: str, pipeline: str | None) -> Found:
    """Return the spec that `name` stands for; see the module's text.

    Raises `NoModelOrArtifact`, `NoSpec`, `NotRegistered`, `NoSuchFile`, or what reading raises.
    """
    use_project(pipeline)
    source = find_source(name)
    if isinstance(source, Path):
        return _of_file(source)
    registry = _registry(pipeline)
    models = registry.models() if registry else ()
    if registry and ("@" in name or name in models):
        version = registry.resolve(name)
        bundle = registry.load(version)
        label = f"{version}, bundle {short(bundle.digest)}"
        return Found(label=label, spec=bundle.spec, bundle=bundle)
    return _of_artifact(name, pipeline, models)


def _registry(pipeline: str | None) -> Registry | None:
    try:
        return Registry(open_store(pipeline))
    except NoStore:
        return None


def _of_file(path: Path) -> Found:
    label = str(path)
    if path.suffix == ".json":
        return Found(label=label, spec=FeatureSpec.from_bytes(path.read_bytes(), {}))
    if not zipfile.is_zipfile(path):
        raise NoSpec(label, "neither a bundle's nor a spec's file")
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
    if "spec.json" in members and "manifest.json" not in members:
        return Found(label=label, spec=SPEC.load(path, FeatureSpec))
    bundle = read_bundle(path)
    return Found(label=f"{label}, bundle {short(bundle.digest)}", spec=bundle.spec, bundle=bundle)


def _of_artifact(name: str, pipeline: str | None, models: tuple[str, ...]) -> Found:
    workspace = Workspace.open(pipeline)
    try:
        artifact = Artifacts(workspace).find(name)
    except UnknownArtifact as error:
        if ":" in name or name in error.known:
            raise
        raise NoModelOrArtifact(name, models, error.known) from None
    if artifact.output.codec not in _CODECS:
        kind = "a table" if artifact.output.columns else "another kind of artifact"
        raise NoSpec(artifact.label, kind)
    value = workspace.store.load(artifact.output)
    if isinstance(value, Bundle):
        label = f"{artifact.label}, bundle {short(value.digest)}"
        return Found(label=label, spec=value.spec, bundle=value)
    return Found(label=artifact.label, spec=value)
