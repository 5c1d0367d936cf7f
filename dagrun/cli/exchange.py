"""`dagrun export` and `dagrun import`: a model between projects and machines, as one file."""

from __future__ import annotations

from pathlib import Path

from dagrun.cli.models import DIFFERENT, open_registry
from dagrun.cli.opening import use_project
from dagrun.engine.errors import DefinitionError
from dagrun.engine.store.durable import write_whole
from dagrun.engine.verdicts import keep_form
from dagrun.stages.bundle import GoldenMismatch, check
from dagrun.stages.bundle.carried import exported, read_exported
from dagrun.ui.quantities import counted, short, size
from dagrun.ui.terminal import show, tell_error


class NoFolder(DefinitionError):
    """A file is to be written into a folder that does not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"cannot write {path}: the folder {path.parent} does not exist")


def export(*, name: str, output: str | None, pipeline: str | None) -> int:
    """Write a version's bundle to a file, whole or not at all. Raises `NotRegistered`."""
    use_project(pipeline)
    registry = open_registry(pipeline)
    version = registry.resolve(name)
    bundle = registry.load(version)
    path = Path(output or f"{version.name}-{version.version}.bundle")
    if not path.parent.is_dir():
        raise NoFolder(path)
    data = exported(bundle, registry.verdict(version))
    write_whole(path, data, path.parent)
    show(f"{version} -> {path}  bundle {short(bundle.digest)}, {size(len(data))}")
    return 0


def import_(
    *,
    file: str,
    name: str | None,
    alias: str | None,
    reason: str,
    override: str,
    pipeline: str | None,
) -> int:
    """Register the bundle in a file. Raises `BundleDamaged`, `NameInvalid` or `VersionRefused`.

    Its golden rows are computed first: a bundle that gives other bits here is not let in.
    """
    use_project(pipeline)
    registry = open_registry(pipeline)
    bundle, carried = read_exported(file)
    registry.check_alias(name or bundle.name, alias)
    report = check(bundle)
    try:
        report.require()
    except GoldenMismatch as error:
        tell_error(str(error))
        return DIFFERENT
    if carried is not None:
        form, said_in = carried
        keep_form(registry.store.refs, bundle.digest, form, said_in=f"imported: {said_in}")
    version = registry.register(name or bundle.name, bundle, reason=reason)
    if alias is not None:
        registry.set_alias(version.name, alias, version.version, reason=reason, override=override)
    now = f", {alias} -> @{version.version}" if alias else ""
    proof = f"{counted(report.rows, 'golden row')} bit-identical"
    show(f"{file} -> {version}  bundle {short(bundle.digest)}, {proof}{now}")
    return 0
