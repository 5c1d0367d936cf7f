"""Tensors and parameters of the Open Inference Protocol V2 as JSON, both ways.

Guarantee: an element that JSON cannot say exactly has a form of its own (see `v2_json`), and what
cannot be read exactly is `NotV2`, with the tensor's name. Where it ends: a number in a tensor
of FP32 is rounded to one, as that is what the datatype says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dagrun.engine.errors import DagrunError, listing
from dagrun.server.protocols.v2_tensor import DATATYPES, NotExact, elements

VALID = "__valid"
_EXACT = 2**53
_MOST_FLOAT32 = 3.4028235677973366e38
"""From here on a double rounds to the infinity of float32: 2**128 - 2**103."""
_DEEPEST = 8
_INFINITIES: Final = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
_INTEGERS: Final = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
_FILLERS: Final = {"BYTES": b"", "BOOL": False}

Message = Any
"""A message, whose class is made at run time."""
Json = Any
"""What `json.loads` gives."""


class NotV2(DagrunError):
    """A JSON document that is no request or response of the protocol."""

    def __init__(self, where: str, problem: str) -> None:
        self.where, self.problem = where, problem
        super().__init__(f"{where}: {problem}" if where else problem)


def write_tensors(tensors: Sequence[Message], raws: Sequence[bytes]) -> list[Json]:
    """Return tensors as JSON; a mask that only says what null says goes into its column.

    Raises `NotV2`.
    """
    found: dict[str, Json] = {}
    masks: dict[str, Sequence[bool]] = {}
    if raws and len(raws) != len(tensors):
        raise NotV2("", f"{len(raws)} raw tensors for {len(tensors)} tensors")
    contents: Sequence[bytes | None] = raws or [None] * len(tensors)
    for tensor, raw in zip(tensors, contents, strict=True):
        shape = list(tensor.shape)
        try:
            values = elements(tensor, raw, math.prod(shape))
        except (KeyError, NotExact) as error:
            raise NotV2(tensor.name, str(error)) from error
        if tensor.name.endswith(VALID) and tensor.datatype == "BOOL" and not tensor.parameters:
            masks[tensor.name] = values
        found[tensor.name] = {
            "name": tensor.name,
            "shape": shape,
            "datatype": tensor.datatype,
            **write_parameters(tensor.parameters),
            "data": _data(tensor.name, tensor.datatype, values),
        }
    if len(found) < len(tensors):
        raise NotV2("", "two tensors have one name")
    for name, valid in masks.items():
        column = found.get(name.removesuffix(VALID))
        if column and not all(valid) and _can_hold(column, found[name]):
            data = column["data"]
            column["data"] = [one if ok else None for one, ok in zip(data, valid, strict=True)]
            del found[name]
    return list(found.values())


def _can_hold(column: Json, mask: Json) -> bool:
    """Return whether nulls in the column say what the mask says, and nothing is lost."""
    datatype = column["datatype"]
    if datatype.startswith("FP") or column["shape"] != mask["shape"]:
        return False
    filler = _data("", datatype, [_FILLERS.get(datatype, 0)])[0]
    pairs = zip(column["data"], mask["data"], strict=True)
    return all(valid or one == filler for one, valid in pairs)


def _data(name: str, datatype: str, values: Sequence[Any]) -> list[Json]:
    """Return elements as JSON."""
    if datatype == "BYTES":
        try:
            return [value.decode() for value in values]
        except UnicodeDecodeError as error:
            raise NotV2(name, "holds bytes that are no UTF-8, which JSON cannot carry") from error
    if datatype.startswith("FP"):
        if all(map(math.isfinite, values)):
            return list(values)
        return [_float_to_json(value) for value in values]
    if datatype.endswith("64"):
        return [value if -_EXACT <= value <= _EXACT else str(value) for value in values]
    return list(values)


def _float_to_json(value: float) -> float | str | None:
    if math.isfinite(value):
        return value
    return None if value != value else "Infinity" if value > 0 else "-Infinity"


def read_tensor(tensors: Any, entry: Json, where: str) -> None:
    """Add a JSON tensor to a message's, and its mask when there are nulls that need one.

    Raises `NotV2`.
    """
    name, datatype = text_of(entry, "name", where), text_of(entry, "datatype", where)
    where = name[:80] or where
    if datatype not in DATATYPES or datatype == "FP16":
        known = listing(sorted(DATATYPES.keys() - {"FP16"}), 20)
        raise NotV2(where, f"the datatype is {datatype[:20]!r}; it may be {known}")
    shape = entry.get("shape")
    if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 2**63 for n in shape):
        raise NotV2(where, "the shape is to be a list of sizes, as in [2] or [2, 1]")
    if "data" not in entry:
        raise NotV2(where, "there is no data; the binary extension is not offered")
    values = list(_flat(entry["data"], where))
    tensor = tensors.add(name=name, datatype=datatype, shape=shape)
    read_parameters(tensor.parameters, entry, where)
    nulls = [value is None for value in values] if None in values else []
    contents = getattr(tensor.contents, DATATYPES[datatype].contents)
    contents.extend(_read_values(datatype, values, where))
    if nulls and not datatype.startswith("FP"):
        mask = tensors.add(name=name + VALID, datatype="BOOL", shape=shape)
        mask.contents.bool_contents.extend(not null for null in nulls)


def _read_values(datatype: str, values: Sequence[Json], where: str) -> Iterable[Any]:
    """Return JSON values as elements; what stands for null is NaN, 0, false or no bytes."""
    if datatype == "FP64" and set(map(type, values)) == {float}:
        return values
    if datatype.startswith("FP"):
        return [_read_float(datatype, value, where) for value in values]
    if datatype == "BOOL":
        if wrong := [value for value in values if value is not None and type(value) is not bool]:
            raise NotV2(where, f"{_shown(wrong[0])} is no bool")
        return [bool(value) for value in values]
    if datatype == "BYTES":
        return [_read_text(value, where) for value in values]
    return [_read_integer(datatype, value, where) for value in values]


def _read_float(datatype: str, value: Json, where: str) -> float:
    if value is None:
        return math.nan
    if type(value) is float:
        number = value
    elif type(value) is int:
        if not -_EXACT <= value <= _EXACT:
            raise NotV2(where, f"{_shown(value)} is beyond 2**53 and does not fit {datatype}")
        number = float(value)
    elif isinstance(value, str) and value in _INFINITIES:
        number = _INFINITIES[value]
    else:
        raise NotV2(where, f"{_shown(value)} is no number")
    if datatype == "FP32" and math.isfinite(number) and abs(number) >= _MOST_FLOAT32:
        raise NotV2(where, f"{number!r} does not fit FP32")
    return number


def _read_integer(datatype: str, value: Json, where: str) -> int:
    if value is None:
        return 0
    written = isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) <= 20
    whole = type(value) is float and value.is_integer() and -_EXACT <= value <= _EXACT
    if not (written or whole or type(value) is int):
        raise NotV2(where, f"{_shown(value)} is no whole number")
    number = int(value)
    least, most = _INTEGERS[datatype]
    if not least <= number <= most:
        raise NotV2(where, f"{_shown(value)} does not fit {datatype}")
    return number


def _read_text(value: Json, where: str) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        raise NotV2(where, f"{_shown(value)} is no string")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise NotV2(where, f"{_shown(value)} is no text: it has half a character") from error


def _flat(data: Json, where: str, depth: int = 0) -> Iterable[Json]:
    """Return the elements of nested lists, row by row."""
    if not isinstance(data, list) or depth == _DEEPEST:
        raise NotV2(where, "the data is to be a list, flat or nested as the shape says")
    if not any(isinstance(one, list) for one in data):
        return data
    return [element for part in data for element in _flat(part, where, depth + 1)]


def write_parameters(parameters: Mapping[str, Message]) -> dict[str, Json]:
    """Return the entry of an object that has these parameters, none when there are none."""
    if not parameters:
        return {}
    values = {}
    for name in sorted(parameters):
        choice = parameters[name].WhichOneof("parameter_choice")
        value = getattr(parameters[name], choice) if choice else None
        values[name] = _float_to_json(value) if isinstance(value, float) else value
    return {"parameters": values}


def read_parameters(parameters: Any, entry: Json, where: str) -> None:
    """Read the parameters of an object; a null is left out. Raises `NotV2`."""
    given = entry.get("parameters")
    if given is None:
        return
    if not isinstance(given, dict):
        raise NotV2(where, "the parameters are to be an object")
    for name, value in given.items():
        parameter = parameters[_checked(name, where)]
        if isinstance(value, bool):
            parameter.bool_param = value
        elif isinstance(value, int) and -(2**63) <= value < 2**63:
            parameter.int64_param = value
        elif isinstance(value, int) and 0 < value < 2**64:
            parameter.uint64_param = value
        elif isinstance(value, float):
            parameter.double_param = value
        elif isinstance(value, str):
            parameter.string_param = _checked(value, where)
        elif value is not None:
            raise NotV2(where, f"the parameter {name[:40]!r} is no bool, number or string")


def text_of(entry: Json, name: str, where: str, *, needed: bool = True) -> str:
    """Return a string of an object. Raises `NotV2`."""
    value = entry.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str):
        raise NotV2(where, f"{name!r} is to be a string")
    return _checked(value, where)


def _checked(text: str, where: str) -> str:
    _read_text(text, where)
    return text


def _shown(value: Json) -> str:
    return json.dumps(value)[:40]
