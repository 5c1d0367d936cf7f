"""From scores to the wire: one encoding of answers for the row path and the table path.

Guarantee: `PredictResponse.FromString` reads what is written here as if protobuf had written it
(a response is a concatenation of fields); probability, margin and value keep their float32 bits.
Writing an answer by hand takes 0.2 microseconds where building the messages takes 1.4.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import polars as pl

from dagrun.proto.dagrun_v1_pb2 import PredictResponse

_ANSWER = struct.Struct("<BB" + "Bf" + "Bf" + "BB" + "Bf")
_HEAD = (0x0A, _ANSWER.size - 2)  # PredictResponse.answers, its length
_PROBABILITY, _MARGIN, _LABEL, _CONFIDENCE = 0x0D, 0x15, 0x18, 0x25  # Answer's fields 1 to 4
_VALUE_ANSWER = struct.Struct("<BB" + "Bd")
_VALUE_HEAD = (0x0A, _VALUE_ANSWER.size - 2, 0x31)  # the same, Answer's field 6


def tail(threshold: float | None, model_version: int, bundle_digest: str) -> bytes:
    """Return the part of a response that is the same for every answer of one bundle."""
    constant = PredictResponse(
        threshold=threshold or 0.0, model_version=model_version, bundle_digest=bundle_digest
    )
    return constant.SerializeToString()


def encode(margin: float, probability: float, threshold: float | None) -> bytes:
    """Return one answer as a field of `PredictResponse`.

    The label is `probability >= threshold` in double precision, as in the offline scorer; the
    confidence is the probability of that label, rounded to float32. Without a threshold it is a
    regression's answer, and `probability` the value that it predicts.
    """
    if threshold is None:
        return _VALUE_ANSWER.pack(*_VALUE_HEAD, probability)
    label = probability >= threshold
    return _ANSWER.pack(
        *_HEAD,
        _PROBABILITY,
        probability,
        _MARGIN,
        margin,
        _LABEL,
        label,
        _CONFIDENCE,
        probability if label else 1.0 - probability,
    )


def with_features(encoded: bytes, features: Sequence[float]) -> bytes:
    """Return an encoded answer together with the float32 features that it was made from."""
    response = PredictResponse.FromString(encoded)
    response.answers[0].features.extend(features)
    return response.SerializeToString()


def with_outside(encoded: bytes, columns: Sequence[Sequence[str]]) -> bytes:
    """Return a response in which each answer names the columns outside of the contract."""
    response = PredictResponse.FromString(encoded)
    for answer, outside in zip(response.answers, columns, strict=True):
        answer.out_of_contract.extend(outside)
    return response.SerializeToString()


def margins(scores: pl.DataFrame) -> pl.Series:
    """Return the margins of what `bundle.score` gives; of a regression they are its values."""
    return scores["margin" if "margin" in scores.columns else "value"]


def with_confidence(scores: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of `PredictTableResponse.table` from those of `bundle.score`."""
    if "probability" not in scores.columns:
        return scores
    probability = scores["probability"].to_numpy().astype(np.float64)
    confidence = np.where(scores["label"].to_numpy(), probability, 1.0 - probability)
    return scores.hstack([pl.Series("confidence", confidence.astype(np.float32))])
