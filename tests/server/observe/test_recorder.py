"""What is recorded is what was answered: every request once, in every grouping of snapshots."""

from __future__ import annotations

import itertools
import threading
from bisect import bisect_left
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagrun.server.observe import metrics
from dagrun.server.observe.exposition import exposition
from dagrun.server.observe.metrics import PHASE_BOUNDS, REQUEST_BOUNDS, Reading, UnknownMetric
from dagrun.server.observe.recorder import ROW_PHASES, Labels, Recorder, Series
from dagrun.server.observe.totals import ended, merge, remembered

SPANS = st.lists(st.integers(0, 8 * 10**9), min_size=5, max_size=5)
REQUESTS = st.lists(st.tuples(SPANS, st.integers(1, 1000)), max_size=40)


def marks(spans: list[int], rows: int) -> tuple[int, ...]:
    return (*itertools.accumulate(spans, initial=10**12), rows, 7 * rows, 3 * rows)


def buckets(bounds: tuple[int, ...], values: list[int]) -> list[int]:
    found = [0] * (len(bounds) + 1)
    for value in values:
        found[bisect_left(bounds, value)] += 1
    return found


@given(REQUESTS)
def test_histograms_hold_every_request_once(requests: list[tuple[list[int], int]]) -> None:
    series = Series(ROW_PHASES)
    for spans, rows in requests:
        series.add(marks(spans, rows))
    found = series.snapshot()
    rows = sum(rows for _, rows in requests)
    assert found["sizes"] == [len(requests), rows, 7 * rows, 3 * rows]
    columns = [[spans[number] for spans, _ in requests] for number in range(5)]
    whole = [sum(spans) for spans, _ in requests]
    assert found["sums"] == [sum(column) for column in (*columns, whole)]
    *phases, total = found["buckets"]
    assert phases == [buckets(PHASE_BOUNDS, column) for column in columns]
    assert total == buckets(REQUEST_BOUNDS, whole)


def test_many_threads_and_snapshots_lose_nothing() -> None:
    recorder, labels = Recorder(), Labels("flights", "3")
    ending = threading.Event()
    seen = []

    def answering() -> None:
        for _ in range(20_000):
            recorder.predict[labels].add(marks([1, 2, 3, 4, 5], 1))

    def watching() -> None:
        while not ending.is_set():
            seen.append(recorder.answered)

    threads = [threading.Thread(target=answering) for _ in range(4)]
    watcher = threading.Thread(target=watching)
    for thread in (watcher, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    ending.set()
    watcher.join()
    assert recorder.answered == 80_000
    assert seen == sorted(seen)


def worker(*requests: tuple[str, str]) -> Any:
    recorder = Recorder()
    for model, version in requests:
        recorder.predict[Labels(model, version)].add(marks([10_000] * 5, 1))
    recorder.refused("Predict", "NOT_FOUND")
    recorder.watch(lambda: [Reading(metrics.WAITING, ("predict",), 2)])
    return recorder.snapshot()


NAMES = st.tuples(st.sampled_from(["flights", "houses"]), st.sampled_from(["1", "2"]))


@given(st.lists(st.lists(NAMES, max_size=4), min_size=3, max_size=3))
def test_any_grouping_adds_up_to_the_same(requests: list[list[tuple[str, str]]]) -> None:
    first, second, third = (worker(*each) for each in requests)
    assert merge([first, second, third]) == merge([merge([third, first]), second])
    merged = merge([first, second, third])
    assert sum(call["sizes"][0] for call in merged["calls"]) == sum(map(len, requests))


def test_a_worker_that_ended_counts_but_no_longer_is() -> None:
    merged = merge([ended(worker(("flights", "1"))), worker(("flights", "1"))])
    text = exposition(merged).decode()
    labels = 'arm="",code="OK",method="Predict",model="flights",version="1"'
    assert f"dagrun_requests_total{{{labels}}} 2.0" in text
    assert 'dagrun_requests_waiting{pool="predict"} 2.0' in text
    assert 'code="NOT_FOUND",method="Predict",model="",version=""} 2.0' in text
    assert 'dagrun_request_seconds_bucket{arm="",le="5e-05"' not in text
    assert 'dagrun_request_seconds_bucket{arm="",le="0.0001"' in text
    assert 'le="1e-05",method="Predict",model="flights",phase="model",version="1"} 2.0' in text


def test_what_was_replaced_long_ago_is_forgotten() -> None:
    recorder, versions = Recorder(), [Labels("flights", str(number)) for number in range(9)]
    for version in versions:
        recorder.serves([version])
        recorder.predict[version].add(marks([1, 2, 3, 4, 5], 1))
        recorder.refused("Predict", "INVALID_ARGUMENT", version)
    recorder.refused("Predict", "NOT_FOUND")
    found = recorder.snapshot()
    assert [call["labels"][1] for call in found["calls"]] == ["4", "5", "6", "7", "8"]
    assert [labels[2] for _, labels, _ in found["readings"]] == ["4", "5", "6", "7", "8", ""]
    assert recorder.answered == 9


def test_a_model_that_is_served_is_never_forgotten() -> None:
    recorder, both = Recorder(), [Labels("flights", "1"), Labels("flights", "1", "champion")]
    for number in range(2, 20):
        recorder.serves([*both, Labels("houses", str(number))])
        for labels in both:
            recorder.predict[labels].add(marks([1, 2, 3, 4, 5], 1))
    recorder.serves([Labels("flights", "2")])
    sizes = [call["sizes"][0] for call in recorder.snapshot()["calls"]]
    assert sizes == [18, 18]


def test_what_a_dead_worker_counted_goes_with_what_the_living_forget() -> None:
    counted = ended(worker(("flights", "1"), ("flights", "2")))
    refused = ["dagrun_requests_total", ["Predict", "flights", "1", "", "INTERNAL"], 3]
    living = [worker(("flights", "2")), worker()]
    left = remembered({**counted, "readings": [*counted["readings"], refused]}, living)
    assert [call["labels"][1] for call in left["calls"]] == ["2"]
    assert left["readings"] == counted["readings"]


def test_only_declared_metrics_are_taken() -> None:
    with pytest.raises(UnknownMetric, match="no metric dagrun_such"):
        Recorder().count("dagrun_such_total")
    with pytest.raises(UnknownMetric, match="with 1 labels"):
        Recorder().count(metrics.RECHECKED, ("flights",))
    with pytest.raises(UnknownMetric):
        exposition({"calls": [], "readings": []}, [Reading("dagrun_such", (), 1)])
