"""Merged totals as the text that Prometheus reads.

Guarantee: names, kinds and help texts are those of `METRICS`; a sample has the value of the
merged totals, nanoseconds turned into seconds. Histograms are cumulative, as the format wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from dagrun.server.observe import metrics
from dagrun.server.observe.metrics import METRICS, PHASE_BOUNDS, REQUEST_BOUNDS, Reading

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SIZES = (metrics.REQUESTS, metrics.ROWS, metrics.RECEIVED, metrics.SENT)
_OK = "OK"
Json = dict[str, Any]


def exposition(merged: Json, readings: Iterable[Reading] = ()) -> bytes:
    """Return the text for merged totals and further readings. Raises `UnknownMetric`."""
    plain: dict[str, list[Reading]] = {}
    for reading in (*_counted(merged), *map(metrics.checked, readings)):
        plain.setdefault(reading.name, []).append(reading)
    return generate_latest(_Families([*_plain(plain), *_histograms(merged)]))


class _Families(Collector):
    """What `generate_latest` asks of a registry."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _counted(merged: Json) -> Iterator[Reading]:
    for call in merged["calls"]:
        labels = (call["method"], *call["labels"])
        for name, value in zip(_SIZES, call["sizes"], strict=True):
            yield Reading(name, (*labels, _OK) if name == metrics.REQUESTS else labels, value)
    for name, labels, value in merged["readings"]:
        yield Reading(name, tuple(labels), value)


def _plain(readings: dict[str, list[Reading]]) -> Iterator[Metric]:
    for name in sorted(readings):
        metric = METRICS[name]
        family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        made = family(name, metric.help, labels=metric.labels)
        for reading in readings[name]:
            made.add_metric(reading.labels, reading.value)
        yield made


def _histograms(merged: Json) -> Iterator[Metric]:
    whole, phases = map(_histogram, (metrics.REQUEST_SECONDS, metrics.PHASE_SECONDS))
    for call in merged["calls"]:
        labels = [call["method"], *call["labels"]]
        *parts, total = zip(call["buckets"], call["sums"], strict=True)
        whole.add_metric(labels, _buckets(REQUEST_BOUNDS, total[0]), total[1] / 1e9)
        for phase, (counts, nanoseconds) in zip(call["phases"], parts, strict=True):
            phases.add_metric([*labels, phase], _buckets(PHASE_BOUNDS, counts), nanoseconds / 1e9)
    yield whole
    yield phases


def _histogram(name: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, METRICS[name].help, labels=METRICS[name].labels)


def _buckets(bounds: tuple[int, ...], counts: list[int]) -> list[tuple[str, float]]:
    upper = [*(f"{bound / 1e9:g}" for bound in bounds), "+Inf"]
    return list(zip(upper, accumulate(counts), strict=True))
