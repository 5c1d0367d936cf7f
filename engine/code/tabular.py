"""The content of Polars and NumPy values that code refers to: expressions, types, small tables.

Guarantee: equal content has equal forms in every process under one version of the library (which
is part of the key as a distribution). Neither library is imported here: their values are met only
when somebody else has imported it. The limit: large tables and arrays, lazy frames, generators of
random numbers, and expressions with Python functions inside are refused (`Opaque`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from dagrun.engine.canonical import Json, digest_bytes

MOST_CELLS = 100_000
"""A frame or array with more values than this is data, not a constant."""

AS_INPUT = "It is data: let a stage make it, or read it from a source."
PYTHON_INSIDE = "It holds a Python function, whose code would not count."
FROM_SEED = "Make one inside the function, from the seed of the Context."

_PICKLE = "128,5,149"  # how each pickle of protocol 5 begins, as JSON's list of bytes


class Opaque(Exception):
    """A value has no content that can be identified; `where` says which part of what it is."""

    def __init__(self, value: object, where: str, advice: str = "") -> None:
        self.kind = f"{type(value).__module__}.{type(value).__qualname__}"
        self.where, self.advice = where, advice
        super().__init__(f"{where} is a {self.kind}")


def describe_tabular(
    value: Any, where: str, describe: Callable[[Any, str], Json], *, inside_object: bool
) -> Json | None:
    """Return the form of a Polars or NumPy value, None for anything else.

    `inside_object` tells that the value is part of some other library's object, where an array is
    a model's state. Raises `Opaque`.
    """
    home = type(value).__module__.partition(".")[0]
    if home not in ("polars", "numpy"):
        return None
    content = (
        _polars(value, where, describe)
        if home == "polars"
        else _numpy(value, where, describe, inside_object=inside_object)
    )
    return None if content is None else {"$tabular": [describe(type(value), where), content]}


def _numpy(
    value: Any, where: str, describe: Callable[[Any, str], Json], *, inside_object: bool
) -> Json | None:
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.dtype):
        return repr(value)
    if isinstance(value, numpy.ndarray | numpy.generic):
        if value.size > MOST_CELLS or (inside_object and value.size > 1):
            raise Opaque(value, where, AS_INPUT)
        shape, kind = list(value.shape), repr(value.dtype)
        if value.dtype.hasobject:
            return [kind, shape, describe(value.tolist(), where)]
        return [kind, shape, digest_bytes(value.tobytes())]
    if type(value).__module__.startswith("numpy.random"):
        raise Opaque(value, where, FROM_SEED)
    return None


def _polars(value: Any, where: str, describe: Callable[[Any, str], Json]) -> Json | None:
    polars = sys.modules["polars"]
    if isinstance(value, polars.Expr):
        try:
            text = value.meta.serialize(format="json")
        except Exception:  # noqa: BLE001 (whatever the pickling of a function inside raises)
            raise Opaque(value, where, PYTHON_INSIDE) from None
        if _PICKLE in text:  # with cloudpickle it succeeds, but leaves out the code of modules
            raise Opaque(value, where, PYTHON_INSIDE)
        return digest_bytes(text.encode())
    if isinstance(value, polars.Schema):
        return describe(dict(value), where)
    if isinstance(value, polars.DataType):
        return repr(value)
    if isinstance(value, polars.LazyFrame):
        raise Opaque(value, where, AS_INPUT)
    if isinstance(value, polars.DataFrame | polars.Series):
        frame = value.to_frame() if isinstance(value, polars.Series) else value
        if frame.width * frame.height > MOST_CELLS:
            raise Opaque(value, where, AS_INPUT)
        columns = [[column.name, repr(column.dtype), column.to_list()] for column in frame]
        return describe(columns, where)
    return None
