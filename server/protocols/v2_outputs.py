"""From scores to a V2 response: one tensor for each output, raw or typed as the request was.

Guarantee: `ModelInferResponse.FromString` reads what is written here as if protobuf had written it
(a message is a concatenation of fields). Probability, margin, confidence and value are FP32 with
the model's own bits, the label is BOOL, and every shape is [rows]. The parameters name the bundle.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import polars as pl

from dagrun.engine.errors import listing, nearest
from dagrun.server.protocols.v2_messages import ModelInferResponse
from dagrun.server.serving.answers import with_confidence
from dagrun.server.serving.models import ServedModel
from dagrun.server.serving.refusals import ValuesRefused, Violation, shortened

CLASSIFIER: Final[Mapping[str, str]] = {
    "probability": "FP32",
    "margin": "FP32",
    "label": "BOOL",
    "confidence": "FP32",
}
REGRESSION: Final[Mapping[str, str]] = {"value": "FP32"}
_NOT_OFFERED = ("classification", "shared_memory_region")

# The tags of fields, each of which is a length and then so many bytes.
_ID, _OUTPUT, _RAW = b"\x1a", b"\x2a", b"\x32"  # of ModelInferResponse
_NAME, _DATATYPE, _SHAPE, _CONTENTS = b"\x0a", b"\x12", b"\x1a", b"\x2a"  # of InferOutputTensor
_ELEMENTS = {"BOOL": b"\x0a", "FP32": b"\x32"}  # bool_contents, fp32_contents


class Outputs:
    """Writes the responses of one model."""

    def __init__(self, model: ServedModel, version: str) -> None:
        self._model, self._threshold = model.name, model.bundle.threshold
        self.datatypes = CLASSIFIER if self._threshold is not None else REGRESSION
        head = ModelInferResponse(model_name=model.name, model_version=version)
        head.parameters["bundle_digest"].string_param = model.bundle.digest
        if model.labels.arm:
            head.parameters["arm"].string_param = model.labels.arm
        if self._threshold is not None:
            head.parameters["threshold"].double_param = self._threshold
        self._head: bytes = head.SerializeToString(deterministic=True)
        self._names = {
            name: _field(_NAME, name.encode()) + _field(_DATATYPE, datatype.encode())
            for name, datatype in self.datatypes.items()
        }
        self._all = tuple(self.datatypes)
        one = _field(_SHAPE, b"\x01")
        self._one_raw = self._head + b"".join(
            _field(_OUTPUT, name + one) for name in self._names.values()
        )

    def wanted(self, requested: Iterable[Any]) -> Sequence[str]:
        """Return the outputs that a request wants, in its order. Raises `ValuesRefused`."""
        names = []
        for output in requested:
            name = output.name
            if name not in self.datatypes:
                hint = nearest(name[:80], self.datatypes)
                problem = f"there is no such output.{hint} Outputs: {listing(list(self.datatypes))}"
                raise ValuesRefused(self._model, [Violation(f"outputs.{shortened(name)}", problem)])
            for parameter in _NOT_OFFERED:
                if parameter in output.parameters:
                    problem = f"the parameter {parameter!r} is not offered"
                    raise ValuesRefused(self._model, [Violation(f"outputs.{name}", problem)])
            names.append(name)
        return names or self._all

    def of_scores(self, scores: Sequence[tuple[float, float]]) -> Mapping[str, bytes]:
        """Return the elements of each output from margins and probabilities."""
        floats = struct.Struct(f"<{len(scores)}f").pack
        margins = floats(*[margin for margin, _ in scores])
        if (threshold := self._threshold) is None:
            return {"value": margins}
        labels = [probability >= threshold for _, probability in scores]
        sure = [p if label else 1.0 - p for (_, p), label in zip(scores, labels, strict=True)]
        return {
            "probability": floats(*[probability for _, probability in scores]),
            "margin": margins,
            "label": bytes(labels),
            "confidence": floats(*sure),
        }

    def margins(self, elements: Mapping[str, bytes]) -> bytes:
        """Return the margins among the elements; of a regression they are its values."""
        return elements["value" if self._threshold is None else "margin"]

    def of_frame(self, scores: pl.DataFrame) -> Mapping[str, bytes]:
        """Return the elements of each output from the columns that `bundle.score` gives."""
        made = with_confidence(scores)
        return {name: made[name].to_numpy().tobytes() for name in self.datatypes}

    def response(
        self, elements: Mapping[str, bytes], rows: int, names: Sequence[str], raw: bool, number: str
    ) -> bytes:
        """Return a response with the outputs of these names; `number` is the request's id."""
        head = self._head + _field(_ID, number.encode()) if number else self._head
        if raw and rows == 1 and names is self._all and not number:
            return b"".join((self._one_raw, *[_field(_RAW, elements[name]) for name in names]))
        shape = _field(_SHAPE, _varint(rows))
        parts = [head]
        for name in names:
            tensor = self._names[name] + shape
            if not raw:
                kind = _ELEMENTS[self.datatypes[name]]
                tensor += _field(_CONTENTS, _field(kind, elements[name]))
            parts.append(_field(_OUTPUT, tensor))
        if raw:
            parts += [_field(_RAW, elements[name]) for name in names]
        return b"".join(parts)


def _field(tag: bytes, content: bytes) -> bytes:
    return b"".join((tag, _varint(len(content)), content))


def _varint(number: int) -> bytes:
    """Return a length in base 128, the least digit first, as protobuf writes it."""
    if number < 128:
        return bytes((number,))
    digits = []
    while number >= 128:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes((*digits, number))
