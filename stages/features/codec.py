"""How the engine stores a feature spec: one file with the document and its tables.

The file is a stored (uncompressed) zip with sorted names and a fixed time, so equal specs have
equal bytes. The logical digest is the spec's own.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from dagrun.engine.codec import Dumped
from dagrun.stages.features.spec import FeatureSpec
from dagrun.stages.ops.errors import SpecDamaged

_LONG_AGO = (1980, 1, 1, 0, 0, 0)


class SpecCodec:
    """Stores a `FeatureSpec` as `spec.json` and `tables/<digest>.parquet`."""

    def dump(self, value: FeatureSpec, path: Path) -> Dumped:
        """Write the spec to the new file `path`."""
        tables = {f"tables/{name}.parquet": data for name, data in value.tables.items()}
        members: Mapping[str, bytes] = {"spec.json": value.to_bytes(), **tables}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(members):
                archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), members[name])
        return Dumped(logical=value.digest)

    def load(self, path: Path, wanted: object) -> FeatureSpec:  # noqa: ARG002 - one type only
        """Read the spec in `path`. Raises `SpecDamaged` when the file is not whole."""
        try:
            with zipfile.ZipFile(path) as archive:
                members = {name: archive.read(name) for name in archive.namelist()}
        except (zipfile.BadZipFile, OSError) as error:
            raise SpecDamaged(
                f"the feature spec in {path.name}", f"is damaged ({error})"
            ) from error
        tables = {
            Path(name).stem: data for name, data in members.items() if name.startswith("tables/")
        }
        return FeatureSpec.from_bytes(members.get("spec.json", b""), tables)


SPEC = SpecCodec()
