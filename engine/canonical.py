"""The one canonical encoding: Python values as canonical JSON, and the digest over it.

Guarantee: equal values of equal type encode to the same bytes in every process, on every
platform and Python version; different values to different bytes. `decode` inverts `encode`.
The limit: a value that is not understood is an error (`Unhashable`), never a default.

JSON's own types stand for themselves; everything else is an object with one `$tag` key.
Floats are written in hexadecimal, so that no bit depends on a decimal printer.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import importlib
import json
import pathlib
import re
from collections.abc import Callable
from typing import Any

from blake3 import blake3

from dagrun.engine.errors import DefinitionError, Unhashable

ENCODING_VERSION = 1
Json = Any
"""A value that `json` can write: None, bool, int, str, or lists and str-keyed dicts of these."""


def encode(value: object, where: str = "value") -> Json:
    """Return the JSON form of `value`. Raises `Unhashable`, naming `where` in it."""
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind in (list, tuple, dict, set, frozenset):
        return _encode_container(value, where)
    if isinstance(value, enum.Enum):
        return {"$enum": [type_name(kind), value.name, encode(value.value, where)]}
    if kind in _SCALARS:
        return _SCALARS[kind](value)
    if isinstance(value, pathlib.PurePath):
        return {"$path": value.as_posix()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        fields = {name: encode(getattr(value, name), f"{where}.{name}") for name in names}
        return {"$dataclass": [type_name(kind), fields]}
    raise Unhashable(value, where)


def _encode_container(value: Any, where: str) -> Json:
    if isinstance(value, dict):
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: encode(item, f"{where}[{key!r}]") for key, item in value.items()}
        pairs = [
            [encode(k, f"{where} key"), encode(v, f"{where}[{k!r}]")] for k, v in value.items()
        ]
        return {"$dict": sorted(pairs, key=to_bytes)}
    items = [encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, list):
        return items
    if isinstance(value, tuple):
        return {"$tuple": items}
    return {"$" + type(value).__name__: sorted(items, key=to_bytes)}


def _encode_float(value: float) -> Json:
    return {"$float": "nan" if value != value else value.hex()}


_SCALARS: dict[type, Callable[[Any], Json]] = {
    float: _encode_float,
    bytes: lambda value: {"$bytes": base64.b64encode(value).decode()},
    complex: lambda value: {"$complex": [_encode_float(value.real), _encode_float(value.imag)]},
    decimal.Decimal: lambda value: {"$decimal": str(value)},
    dt.date: lambda value: {"$date": value.isoformat()},
    dt.datetime: lambda value: {"$datetime": value.isoformat()},
    dt.time: lambda value: {"$time": value.isoformat()},
    dt.timedelta: lambda value: {"$timedelta": [value.days, value.seconds, value.microseconds]},
    re.Pattern: lambda value: {"$pattern": [encode(value.pattern), value.flags]},
    range: lambda value: {"$range": [value.start, value.stop, value.step]},
    type(...): lambda _: {"$ellipsis": None},
}


def decode(form: Json) -> Any:
    """Return the value whose `encode` gave `form`. Raises `DefinitionError` on an unknown tag."""
    if isinstance(form, list):
        return [decode(item) for item in form]
    if not isinstance(form, dict):
        return form
    if len(form) == 1:
        (tag, body), *_ = form.items()
        if tag.startswith("$"):
            if tag not in _DECODERS:
                raise DefinitionError(f"stored document has the unknown tag {tag!r}")
            return _DECODERS[tag](body)
    return {key: decode(item) for key, item in form.items()}


def _decode_dataclass(body: Json) -> Any:
    name, fields = body
    kind, values = find_object(name), {key: decode(item) for key, item in fields.items()}
    parameters = getattr(kind, "__dataclass_params__", None)
    if parameters is None or parameters.init:
        return kind(**values)
    # An __init__ of its own need not take the fields by their names.
    value = object.__new__(kind)
    for key, item in values.items():
        object.__setattr__(value, key, item)
    return value


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "$float": lambda body: float("nan") if body == "nan" else float.fromhex(body),
    "$bytes": base64.b64decode,
    "$complex": lambda body: complex(decode(body[0]), decode(body[1])),
    "$decimal": decimal.Decimal,
    "$date": dt.date.fromisoformat,
    "$datetime": dt.datetime.fromisoformat,
    "$time": dt.time.fromisoformat,
    "$timedelta": lambda body: dt.timedelta(*body),
    "$pattern": lambda body: re.compile(decode(body[0]), body[1]),
    "$range": lambda body: range(*body),
    "$ellipsis": lambda _: ...,
    "$path": pathlib.Path,
    "$tuple": lambda body: tuple(decode(item) for item in body),
    "$set": lambda body: {decode(item) for item in body},
    "$frozenset": lambda body: frozenset(decode(item) for item in body),
    "$dict": lambda body: {decode(key): decode(item) for key, item in body},
    "$enum": lambda body: find_object(body[0])[body[1]],
    "$dataclass": _decode_dataclass,
}


def type_name(kind: type) -> str:
    """Return `module:qualname`, which `find_object` turns back into the class."""
    return f"{kind.__module__}:{kind.__qualname__}"


def find_object(name: str) -> Any:
    """Import what `module:qualname` names. Raises `DefinitionError` when it is gone."""
    module_name, _, qualname = name.partition(":")
    try:
        # Never straight from sys.modules: another thread may be in the middle of importing it.
        found: Any = importlib.import_module(module_name)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise DefinitionError(
            f"a stored document needs {name}, which cannot be imported: {error}"
        ) from error
    return found


def to_bytes(form: Json) -> bytes:
    """Write a JSON form canonically: sorted keys, no blanks, UTF-8."""
    return _WRITER.encode(form).encode("utf-8", "surrogatepass")


_WRITER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def digest_bytes(data: bytes | memoryview) -> str:
    """Return the BLAKE3 digest of raw bytes as 64 hexadecimal digits (a blob digest)."""
    return blake3(data).hexdigest()


def digest(domain: str, form: Json) -> str:
    """Return the BLAKE3 digest of a JSON form, tagged with a domain and the encoding version."""
    return digest_written(domain, to_bytes(form))


def digest_written(domain: str, data: bytes) -> str:
    """Return the `digest` of the form that was written as `data`."""
    head = f"dagrun/{ENCODING_VERSION}/{domain}\0".encode()
    return blake3(head + data).hexdigest()
