"""Canaries, splits and shadows of a real server: several processes, real requests."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from tests_serve import Serving

from dagrun.engine.errors import DagrunError
from dagrun.engine.store.store import Store
from dagrun.server.client import Client
from dagrun.server.traffic.orders import Arm, Canary, OrderBook, Policy, Shadow, Split
from dagrun.stages.bundle import Bundle, Registry, make_bundle
from dagrun.stages.features import feature_set, standardize, tokens
from dagrun.stages.train import fit_xgboost

QUICK = Policy(min_seconds=0.0, latency_ratio=50.0)
"""For canaries that are not slow: other tests take CPU time of one arm or the other."""


class Asking:
    """Callers without pause, each request with a key of its own."""

    def __init__(self, address: str, rows: pl.DataFrame) -> None:
        self.by_version: Counter[int | None] = Counter()
        self.failures: list[Exception] = []
        self._rows, self._turn = rows.to_dicts(), itertools.count()
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(4)
        self._done = [self._pool.submit(self._ask, address) for _ in range(4)]

    def _ask(self, address: str) -> None:
        with Client(address, timeout=30) as client:
            while not self._ended.is_set():
                turn = next(self._turn)
                row = self._rows[turn % len(self._rows)]
                try:
                    (answer,) = client.predict("flights", [row], keys=[f"flight {turn}"])
                except DagrunError as error:
                    self.failures.append(error)
                else:
                    self.by_version[answer.model_version] += 1

    def stop(self) -> None:
        self._ended.set()
        for done in self._done:
            done.result()
        self._pool.shutdown()


Started = tuple[Serving, Asking, OrderBook]


@pytest.fixture(scope="module")
def others(bundle: Bundle, make_rows: Callable[..., pl.DataFrame]) -> dict[str, Bundle]:
    """Versions to try: as good as the champion, predicting otherwise, failing, and slow."""
    rows = make_rows(600, 5).with_columns(late=pl.col("distance").fill_null(0.0) < 2500, gate=1.0)
    drifted, matrix = feature_set(standardize("distance")).fit_transform(rows, label="late")
    failing, wider = feature_set(standardize("gate", "distance")).fit_transform(rows, label="late")
    many = feature_set(tokens("carrier", hashing=4_096), standardize("distance"))
    slow, widest = many.fit_transform(rows, label="late")
    kinds = {"drifted": (drifted, matrix), "failing": (failing, wider), "slow": (slow, widest)}
    made = {
        kind: make_bundle(
            None,
            name="flights",
            spec=spec,
            booster=fit_xgboost(frame, frame, seed=1, rounds=10),
            sample=rows,
        )
        for kind, (spec, frame) in kinds.items()
    }
    return {"good": replace(bundle, threshold=0.6), **made}


@pytest.fixture
def begin(
    tmp_path: Path,
    bundle: Bundle,
    others: dict[str, Bundle],
    make_rows: Callable[..., pl.DataFrame],
) -> Iterator[Callable[[str], Started]]:
    """Serve flights@1 and have it asked; @2 is of the kind that is named."""
    started: list[tuple[Serving, Asking]] = []
    Path(tmp_path, "pipeline.py").write_text("")

    def begun(kind: str) -> Started:
        store = Store.open(tmp_path)
        registry = Registry(store)
        registry.register("flights", bundle, alias="champion", reason="first")
        registry.register("flights", others[kind], reason="second")
        serving = Serving(tmp_path, "flights", "--port", "0", "--workers", "2", "--no-log")
        asking = Asking(serving.address, make_rows(200, 9))
        started.append((serving, asking))
        return serving, asking, OrderBook(store)

    yield begun
    for serving, asking in started:
        asking.stop()
        serving.end()


def canary(book: OrderBook, policy: Policy = QUICK) -> None:
    book.start("flights", Canary(version=2, champion=1, policy=policy), reason="try it")


def test_a_good_canary_reaches_all_requests_and_the_alias(
    begin: Callable[[str], Started], tmp_path: Path
) -> None:
    serving, asking, book = begin("good")
    canary(book)
    serving.wait_for(r"canary @2 gets 25 %")
    serving.wait_for(r"canary @2 gets 50 %")
    serving.wait_for(r"canary @2 is the champion")
    serving.wait_for(r"-> @2 on all workers")
    asking.by_version.clear()
    while asking.by_version.total() < 50:
        pass
    asking.stop()
    assert asking.failures == []
    assert asking.by_version[2] >= 46  # four were under way
    assert Registry(Store.open(tmp_path)).alias("flights").version == 2
    assert book.read("flights").canary is None


REASONS = {
    "failing": "it failed",
    "slow": "3 times is allowed",
    "drifted": "distributed otherwise",
}


@pytest.mark.parametrize(("kind", "most"), [("failing", 200), ("slow", 200), ("drifted", 1_000)])
def test_a_bad_canary_is_rolled_back(begin: Callable[[str], Started], kind: str, most: int) -> None:
    serving, asking, book = begin(kind)
    canary(book, replace(QUICK, latency_ratio=3.0 if kind == "slow" else 50.0))
    why = serving.wait_for(r"canary @2 ended, rolled back at (\d+) %: (.*)")
    serving.wait_for(r"-> @1 on all workers")
    answered = asking.by_version[2]
    asking.stop()
    assert asking.failures == []
    assert answered <= most
    assert REASONS[kind] in why[2]
    assert book.read("flights").canary is None
    print(f"\n{kind}: rolled back after {answered} answers: {why[2]}")


def test_a_split_keeps_its_shares_and_its_keys(begin: Callable[[str], Started]) -> None:
    serving, asking, book = begin("drifted")
    book.start("flights", Split(arms=(Arm(name="b", version=2, share=0.3),)), reason="A or B")
    serving.wait_for(r"@1 with b @2 \(30 %\) on all workers")
    asking.by_version.clear()
    while asking.by_version.total() < 1_000:
        pass
    share = asking.by_version[2] / asking.by_version.total()
    assert 0.22 < share < 0.38
    row = asking._rows[0]
    with Client(serving.address) as one, Client(serving.address) as other:
        for number in range(30):
            versions = {
                client.predict("flights", [row], keys=[f"key {number}"])[0].model_version
                for client in (one, other, one, other)
            }
            assert len(versions) == 1
    book.stop("flights", "split", reason="enough")
    serving.wait_for(r"-> @1 on all workers")
    asking.stop()
    assert asking.failures == []


def test_a_shadow_answers_nobody_and_is_compared(begin: Callable[[str], Started]) -> None:
    serving, asking, book = begin("drifted")
    book.start("flights", Shadow(version=2), reason="compare")
    serving.wait_for(r"@1 with shadow @2 \(100 %\) on all workers")
    asking.by_version.clear()
    while asking.by_version.total() < 200:
        pass
    asking.stop()
    assert asking.failures == []
    assert set(asking.by_version) == {1}
    assert serving.end() == 0
    (line,) = [line for line in serving.lines if "shadow @2" in line and "rows" in line]
    print(f"\n{line}")
