"""Every metric by its name: what it counts, with which labels, and whether it only ever grows.

Guarantee: what a server exposes is in `METRICS`, and nothing else; dashboards and alerts are
checked against it. Units are seconds and bytes. Labels take values of a small set only: methods,
status codes, served models and their versions and arms, never what a caller wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from dagrun.engine.errors import DagrunError, listing

Kind = Literal["counter", "gauge", "histogram"]


class Metric(NamedTuple):
    """One metric: `gauge` is true of this moment, the others count since the start."""

    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


class Reading(NamedTuple):
    """The value of one metric, its labels' values in the order of `Metric.labels`."""

    name: str
    labels: tuple[str, ...]
    value: float


class UnknownMetric(DagrunError):
    """A reading of a metric that `METRICS` does not have, or with other labels."""

    def __init__(self, name: str, labels: tuple[str, ...]) -> None:
        self.name, self.labels = name, labels
        super().__init__(
            f"no metric {name} with {len(labels)} labels; declare it in "
            f"dagrun.server.observe.metrics. Metrics: {listing(sorted(METRICS))}"
        )


PHASE_BOUNDS: Final = tuple(step * 10**power for power in range(3, 10) for step in (1, 2, 5))
"""Upper bounds of the phases' buckets in nanoseconds: 1 us to 5 s."""
REQUEST_BOUNDS: Final = tuple(
    step * 10**power for power in range(4, 9) for step in (10, 15, 20, 30, 50, 70)
)
"""Upper bounds of the buckets of whole requests in nanoseconds: 100 us to 7 s."""

_MODEL = ("model", "version", "arm")
_CALL = ("method", *_MODEL)
_SHADOW = ("model", "shadow")

REQUESTS: Final = "dagrun_requests_total"
ROWS: Final = "dagrun_rows_total"
RECEIVED: Final = "dagrun_received_bytes_total"
SENT: Final = "dagrun_sent_bytes_total"
REQUEST_SECONDS: Final = "dagrun_request_seconds"
PHASE_SECONDS: Final = "dagrun_phase_seconds"
MODEL_INFO: Final = "dagrun_model_info"
RECHECKED: Final = "dagrun_rechecked_rows_total"
DIFFERENT: Final = "dagrun_rechecked_different_total"
LOGGED: Final = "dagrun_logged_rows_total"
LOG_MISSING: Final = "dagrun_log_missing_rows_total"
SHADOW_ROWS: Final = "dagrun_shadow_rows_total"
SHADOW_FAILED: Final = "dagrun_shadow_failed_rows_total"
SHADOW_LABELS: Final = "dagrun_shadow_other_labels_total"
SHADOW_FEATURES: Final = "dagrun_shadow_other_features_total"
SHADOW_MARGINS: Final = "dagrun_shadow_margin_distance_total"
RECHECK_DROPPED: Final = "dagrun_recheck_dropped_total"
OUT_OF_CONTRACT: Final = "dagrun_out_of_contract_total"
WAITING: Final = "dagrun_requests_waiting"
THREADS: Final = "dagrun_threads"
STREAMS: Final = "dagrun_streams_open"
CPU_SECONDS: Final = "dagrun_cpu_seconds_total"
RESIDENT: Final = "dagrun_resident_bytes"
WORKERS: Final = "dagrun_workers"
RESTARTS: Final = "dagrun_worker_restarts_total"
READY: Final = "dagrun_ready"
LIMIT: Final = "dagrun_limit"
BUILD_INFO: Final = "dagrun_build_info"
_LIBRARIES: Final = ("dagrun", "python", "polars", "numpy", "xgboost", "grpcio", "protobuf")

METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        REQUESTS: Metric("counter", "Requests answered, by gRPC status code.", (*_CALL, "code")),
        ROWS: Metric("counter", "Rows answered with a prediction.", _CALL),
        RECEIVED: Metric("counter", "Bytes of the requests that were answered OK.", _CALL),
        SENT: Metric("counter", "Bytes of the responses to them.", _CALL),
        REQUEST_SECONDS: Metric(
            "histogram", "From the queue to the whole response, of requests answered OK.", _CALL
        ),
        PHASE_SECONDS: Metric("histogram", "The same by phase.", (*_CALL, "phase")),
        MODEL_INFO: Metric(
            "gauge", "Workers that serve this bundle under this name.", (*_MODEL, "bundle")
        ),
        RECHECKED: Metric("counter", "Served rows that the batch twin computed again.", _MODEL),
        DIFFERENT: Metric("counter", "Of these, rows with other bits: must stay 0.", _MODEL),
        LOGGED: Metric("counter", "Rows in the files of the prediction log."),
        LOG_MISSING: Metric(
            "counter", "Rows that the prediction log misses: too many waited, or a full disk."
        ),
        SHADOW_ROWS: Metric("counter", "Rows that a shadow computed along.", _SHADOW),
        SHADOW_FAILED: Metric("counter", "Rows that it could not compute.", _SHADOW),
        SHADOW_LABELS: Metric("counter", "Rows to which it gave the other label.", _SHADOW),
        SHADOW_FEATURES: Metric(
            "counter", "Rows whose feature of this name had other bits.", (*_SHADOW, "feature")
        ),
        SHADOW_MARGINS: Metric(
            "counter", "Rows by how far apart the margins were, at most.", (*_SHADOW, "up_to")
        ),
        RECHECK_DROPPED: Metric("counter", "Rows that were to be computed again, left out."),
        OUT_OF_CONTRACT: Metric(
            "counter", "Served values outside of the bundle's limits.", (*_MODEL, "column")
        ),
        WAITING: Metric("gauge", "Requests that no thread has taken yet.", ("pool",)),
        THREADS: Metric("gauge", "Threads that answer.", ("pool",)),
        STREAMS: Metric("gauge", "Open streams."),
        CPU_SECONDS: Metric("counter", "CPU time of the workers."),
        RESIDENT: Metric("gauge", "Resident memory of the workers."),
        WORKERS: Metric("gauge", "Worker processes that serve."),
        RESTARTS: Metric("counter", "Workers started again after one had ended."),
        READY: Metric("gauge", "Whether the server is ready: 1 or 0."),
        BUILD_INFO: Metric("gauge", "1, with what serves.", _LIBRARIES),
        LIMIT: Metric("gauge", "What one worker takes at most.", ("limit",)),
    }
)


def checked(reading: Reading) -> Reading:
    """Return the reading. Raises `UnknownMetric`."""
    metric = METRICS.get(reading.name)
    if metric is None or len(metric.labels) != len(reading.labels):
        raise UnknownMetric(reading.name, reading.labels)
    return reading


def model_of(name: str, labels: Sequence[str]) -> tuple[str, ...]:
    """Return which model a metric with these labels speaks of: name, version and arm; () of none.

    Raises `KeyError`.
    """
    said = dict(zip(METRICS[name].labels, labels, strict=True))
    return tuple(said[label] for label in _MODEL) if said.keys() >= set(_MODEL) else ()
