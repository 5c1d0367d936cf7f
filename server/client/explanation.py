"""`Explain` from the client's side: what is sent, and explanations as plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client import values
from dagrun.server.client.exchange import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What each feature of one row adds to its margin. All numbers are float32 values.

    Attributes:
        contributions: by the feature's name, in the model's order. With the bias they sum to the
            margin, up to float32 rounding.
        bias: the margin before any feature is known.
        margin: what `predict` answers for the row; of a regression its value.
        values: the features that the model saw, null as NaN.
        model_version: the version in the registry, None for a bundle served from a file.
        bundle_digest: digest of the bundle that answered.
    """

    contributions: Mapping[str, float]
    bias: float
    margin: float
    values: Mapping[str, float]
    model_version: int | None
    bundle_digest: str


def explain(model: str, rows: Sequence[Mapping[str, object]]) -> Exchange[list[Explanation]]:
    """Explain rows. Raises `ValueUnsupported`."""
    # The wire form of the two requests is the same.
    request = values.request(model, rows, features=False)

    def read(data: bytes) -> list[Explanation]:
        response = pb.ExplainResponse.FromString(data)
        return [
            Explanation(
                contributions=dict(zip(response.features, one.contributions, strict=True)),
                bias=one.bias,
                margin=one.margin,
                values=dict(zip(response.features, one.values, strict=True)),
                model_version=response.model_version or None,
                bundle_digest=response.bundle_digest,
            )
            for one in response.explanations
        ]

    return Exchange("/dagrun.v1.Prediction/Explain", request.SerializeToString(), read)
