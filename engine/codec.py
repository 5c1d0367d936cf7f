"""Codecs: how an artifact of a given type is stored, loaded and identified.

A codec is found by the type of the value a stage returns. The entry stores the codec's import
name (`module:ATTRIBUTE`), so a reader needs no registration and no heavy import until it loads.

A class of one's own joins in by an attribute `__dagrun_codec__ = "module:ATTRIBUTE"`; a class of
somebody else's by `register_codec`. Frozen dataclasses and JSON-like values are documents.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from dagrun.engine.canonical import find_object, type_name
from dagrun.engine.errors import DefinitionError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dumped:
    """What a codec tells about the file it has written.

    Attributes:
        logical: digest of the value itself, whatever the bytes; None means "the blob digest".
        rows: number of rows of a table, else None.
        columns: `{column: (dtype, logical digest of the column)}` of a table, else empty.
        references: digests of further blobs that this artifact needs.
    """

    logical: str | None = None
    rows: int | None = None
    columns: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    references: Sequence[str] = ()


class Codec(Protocol):
    """Stores values of some types as one file each."""

    def dump(self, value: Any, path: Path) -> Dumped:
        """Write `value` to the new file `path` (not yet durable) and describe it."""
        ...

    def load(self, path: Path, wanted: Any) -> Any:
        """Read the immutable file `path`; `wanted` is the consumer's annotation or None."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ordered:
    """A table and the columns that give it its order when it is stored; ties by all others."""

    table: Any
    order_by: tuple[str, ...]
    __dagrun_codec__ = "dagrun.engine.tables:TABLE"


FILE_CODEC = "dagrun.engine.documents:FILE"
DOCUMENT_CODEC = "dagrun.engine.documents:DOCUMENT"
TABLE_CODEC = "dagrun.engine.tables:TABLE"

_BY_TYPE = {
    "polars.dataframe.frame:DataFrame": TABLE_CODEC,
    "polars.lazyframe.frame:LazyFrame": TABLE_CODEC,
    "pyarrow.lib:Table": TABLE_CODEC,
    "pathlib:PosixPath": FILE_CODEC,
    "pathlib:WindowsPath": FILE_CODEC,
}


def register_codec(type_import_name: str, codec_import_name: str) -> None:
    """Let artifacts of a type (`"package.module:Class"`) be stored by `"module:ATTRIBUTE"`."""
    _BY_TYPE[type_import_name] = codec_import_name


def ordered(value: object, order_by: tuple[str, ...]) -> object:
    """Return a table with the order that its stage declares, anything else as it is."""
    if order_by and codec_name(value) == TABLE_CODEC:
        return Ordered(table=value, order_by=order_by)
    return value


def codec_name(value: object) -> str:
    """Return the import name of the codec for a value.

    Raises `DefinitionError` for a type that nobody has a codec for.
    """
    for kind in type(value).__mro__:
        if "__dagrun_codec__" in vars(kind):
            return str(vars(kind)["__dagrun_codec__"])
        if name := _BY_TYPE.get(type_name(kind)):
            return name
    document = (bool, int, float, str, bytes, list, tuple, dict, set, frozenset)
    if value is None or isinstance(value, document) or dataclasses.is_dataclass(value):
        return DOCUMENT_CODEC
    raise DefinitionError(
        f"no codec for a result of type {type_name(type(value))}. Return a Polars frame, a frozen "
        "dataclass, a dict or list, a Path, or give the class a __dagrun_codec__"
    )


def find_codec(import_name: str) -> Codec:
    """Import a codec by the name an entry recorded."""
    codec: Codec = find_object(import_name)
    return codec
