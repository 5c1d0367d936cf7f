"""How models and bundles are stored as artifacts: one deterministic file each."""

from __future__ import annotations

import json
from pathlib import Path

from dagrun.engine import canonical
from dagrun.engine.codec import Dumped
from dagrun.engine.errors import UnknownVersion
from dagrun.stages.bundle import archive
from dagrun.stages.bundle.booster import Booster
from dagrun.stages.bundle.bundle import Bundle
from dagrun.stages.bundle.model import Model
from dagrun.stages.bundle.stored import rebuilt

BOOSTER_FORMAT = 1
MODEL_FORMAT = 1


class BoosterCodec:
    """Stores a `Booster` as its UBJSON bytes beside a small description."""

    def dump(self, value: Booster, path: Path) -> Dumped:
        """Write a booster; its logical digest is `Booster.digest`."""
        about = {"format": BOOSTER_FORMAT, **value.describe()}
        members = {"about.json": canonical.to_bytes(about), "model.ubj": value.ubj}
        path.write_bytes(archive.pack(members))
        return Dumped(logical=value.digest)

    def load(self, path: Path, wanted: object) -> Booster:  # noqa: ARG002 - one type only
        """Read a booster. Raises `UnknownVersion`."""
        members = archive.unpack(path.read_bytes())
        about = json.loads(members["about.json"])
        if about["format"] != BOOSTER_FORMAT:
            raise UnknownVersion("the model", about["format"], BOOSTER_FORMAT)
        return Booster.rebuild(about, members["model.ubj"])


class ModelCodec:
    """Stores any other `Model` as its files beside a small description."""

    def dump(self, value: Model, path: Path) -> Dumped:
        """Write a model; its logical digest is `Model.digest`."""
        about = {"format": MODEL_FORMAT, "model": value.describe()}
        path.write_bytes(archive.pack({"about.json": canonical.to_bytes(about), **value.members}))
        return Dumped(logical=value.digest)

    def load(self, path: Path, wanted: object) -> Model:  # noqa: ARG002 - the file says which
        """Read a model. Raises `UnknownVersion`."""
        members = archive.unpack(path.read_bytes())
        about = json.loads(members["about.json"])
        if about["format"] != MODEL_FORMAT:
            raise UnknownVersion("the model", about["format"], MODEL_FORMAT)
        return rebuilt(about["model"], members)


class BundleCodec:
    """Stores a `Bundle` as its file."""

    def dump(self, value: Bundle, path: Path) -> Dumped:
        """Write a bundle; its logical digest is `Bundle.digest`."""
        path.write_bytes(value.to_bytes())
        return Dumped(logical=value.digest)

    def load(self, path: Path, wanted: object) -> Bundle:  # noqa: ARG002 - one type only
        """Read a bundle. Raises `BundleDamaged` or `UnknownVersion`."""
        return Bundle.from_bytes(path.read_bytes())


BOOSTER = BoosterCodec()
MODEL = ModelCodec()
BUNDLE = BundleCodec()
