"""`dagrun proto`: a model's typed .proto file, for clients in any language."""

from __future__ import annotations

from pathlib import Path

from dagrun.cli.exchange import NoFolder
from dagrun.cli.models import find_source, open_registry
from dagrun.cli.opening import use_project
from dagrun.engine.errors import DefinitionError
from dagrun.engine.store.durable import write_whole
from dagrun.server.protocols.typed_file import typed_text
from dagrun.ui.quantities import counted
from dagrun.ui.terminal import show


class NotInRegistry(DefinitionError):
    """A typed file was asked for of a bundle's file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} is a file; field numbers are kept by a registry, under the model's name. "
            f"Register it first: dagrun import {path} --reason ..."
        )


class SeveralModels(DefinitionError):
    """Versions of different models were asked for in one file."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(
            f"{' and '.join(names)} are different models; each has a typed file of its own"
        )


def proto(*, names: tuple[str, ...], output: str | None, pipeline: str | None) -> int:
    """Write the typed file of one or more versions of a model. Raises `NotRegistered`."""
    use_project(pipeline)
    for name in names:
        if isinstance(source := find_source(name), Path):
            raise NotInRegistry(source)
    registry = open_registry(pipeline)
    versions = [registry.resolve(name) for name in names]
    models = tuple(dict.fromkeys(version.name for version in versions))
    if len(models) > 1:
        raise SeveralModels(models)
    columns = [column for version in versions for column in registry.load(version).spec.inputs]
    fields = registry.fields(models[0], columns)
    text = typed_text(models[0], fields, columns)
    if output is None:
        show(text.rstrip("\n"))
        return 0
    path = Path(output)
    if not path.parent.is_dir():
        raise NoFolder(path)
    write_whole(path, text.encode(), path.parent)
    live = len({(column.name, column.kind) for column in columns})
    kept = (
        f", {counted(len(fields) - live, 'number')} kept for others" if len(fields) > live else ""
    )
    show(f"{', '.join(map(str, versions))} -> {path}  {counted(live, 'column')}{kept}")
    return 0
