"""Load on a server from processes of its own, every answer of which is checked."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from dagrun.proto import dagrun_v1_pb2 as pb
from dagrun.server.client.answer import Answer, answers
from dagrun.server.client.values import encode
from dagrun.stages.bundle import Bundle, score

HERE = Path(__file__).parent
Failures = dict[str, int]
MakeBundle = Callable[[int], Bundle]


class Says(NamedTuple):
    """What a bundle says about one row, margin and probability as their bits."""

    margin: int
    probability: int
    label: bool


@dataclass(frozen=True)
class Known:
    """Rows, and what each bundle must say about each of them.

    Attributes:
        rows: all different.
        requests: a `PredictRequest` for each.
        bundles: version, threshold and what it says about each row, by digest.
    """

    rows: list[dict[str, object]]
    requests: list[bytes]
    bundles: dict[str, tuple[int, float, list[Says]]]

    @classmethod
    def of(cls, model: str, frame: pl.DataFrame, versions: dict[int, Bundle]) -> Known:
        """Score the frame with every bundle."""
        rows = frame.to_dicts()
        requests = [encode(model, [row], features=False, keys=None) for row in rows]
        assert len(set(requests)) == len(rows)
        bundles = {}
        for version, bundle in versions.items():
            scores = score(bundle, frame)
            columns = zip(
                _bits(scores["margin"].to_numpy()),
                _bits(scores["probability"].to_numpy()),
                scores["label"].to_list(),
                strict=True,
            )
            bundles[bundle.digest] = version, bundle.threshold or 0.0, [Says(*c) for c in columns]
        return cls(rows, requests, bundles)

    def save(self, path: Path) -> Path:
        path.write_bytes(pickle.dumps(self))
        return path

    def wrong(self, number: int, answer: Answer) -> str:
        """Return what is wrong with an answer about this row, "" when it is right."""
        if answer.bundle_digest not in self.bundles:
            return f"row {number}: no such bundle: {answer.bundle_digest!r}"
        version, threshold, says = self.bundles[answer.bundle_digest]
        assert answer.margin is not None
        assert answer.probability is not None
        margin, probability = _bits(np.array([answer.margin, answer.probability], np.float32))
        found = (answer.model_version, answer.threshold, Says(margin, probability, answer.label))
        if found == (version, threshold, says[number]):
            return ""
        return f"row {number}: {found}, not {(version, threshold, says[number])}"

    def wrong_bytes(self, number: int, response: bytes) -> str:
        """Return what is wrong with a response to the request of this row."""
        given = answers(pb.PredictResponse.FromString(response), features=False)
        if len(given) != 1:
            return f"row {number}: {len(given)} answers"
        return self.wrong(number, given[0])


def _bits(values: np.ndarray[Any, np.dtype[np.float32]]) -> list[int]:
    return values.astype(np.float32).view(np.uint32).tolist()


class Load(AbstractContextManager["Load"]):
    """A process that calls a server on and on: `load_raw` or `load_clients`."""

    def __init__(self, kind: str, address: str, known: Path) -> None:
        paths = [str(HERE), str(HERE.parents[1] / "benchmarks")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(HERE / f"{kind}.py"), address, str(known)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        assert self._process.stdout
        if self._process.stdout.readline() != "begun\n":
            self.__exit__()
            raise RuntimeError(f"{kind} ended before its first call had")

    def stop(self) -> Seen:
        """Have it end, and return what it saw."""
        told, _ = self._process.communicate("stop\n")
        assert self._process.returncode == 0, told
        return Seen(**json.loads(told))

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass(frozen=True)
class Seen:
    """What came of all calls.

    Attributes:
        seconds: from the first call to the last answer.
        answers: how many by version.
        wrong: what is wrong with the first wrong answers.
        failures: calls without an answer, by kind.
        broken: port of our end of each connection that ended without a goodbye.
    """

    seconds: float
    answers: dict[str, int]
    wrong: list[str]
    failures: Failures
    broken: list[int]

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.answers.values()) + sum(self.failures.values())

    def __str__(self) -> str:
        def listed(counts: dict[str, int]) -> str:
            return ", ".join(f"{key} {n:,}" for key, n in sorted(counts.items())) or "none"

        versions = {f"@{version}": n for version, n in self.answers.items()}
        return (
            f"{self.total:>9,} calls in {self.seconds:.1f} s ({self.total / self.seconds:,.0f}/s)"
            f" | answers: {listed(versions)} | wrong: {len(self.wrong)}"
            f" | failures: {listed(self.failures)}"
        )
