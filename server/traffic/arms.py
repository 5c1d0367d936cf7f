"""Arms: which of several models answers a request for one name, in one worker.

Guarantee: a key gets the same arm from every worker and host, and keeps it while a canary's share
grows; a request without a key gets an arm at random. An arm answers at most what it was granted
until the supervisor has looked at its answers, and stops by itself when it fails most of them; what
it may not or cannot answer the champion answers, so no caller sees a failing canary.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from time import perf_counter_ns
from typing import TYPE_CHECKING, NamedTuple

import grpc
import polars as pl

from dagrun.proto.dagrun_v1_pb2 import PredictResponse
from dagrun.server.traffic.tally import Counting, edges

if TYPE_CHECKING:
    from dagrun.server.serving.models import ServedModel

_MOST_COUNTED = 1_000
"""Rows of one response whose margins are counted; of larger ones an even part."""

CHAMPION = "champion"
STICKY = "dagrun-key"
"""The metadata whose value decides the arm."""
_LOGGER = logging.getLogger(__name__)
_BROKEN = 5
"""Failures, more than half of its answers, after which an arm is left alone in this worker."""


class Attempt(NamedTuple):
    """A response, and the margins of its rows in order."""

    response: bytes
    margins: Sequence[float] | pl.Series | memoryview


class Arm:
    """One model with its share of a name's requests.

    Attributes:
        name: `champion`, `canary`, or what the split calls it.
        model: what answers.
        share: of the requests, 0 to 1.
        below: it gets the keys whose place is below this and not below the arm before.
        counting: what it did.
    """

    def __init__(
        self,
        name: str,
        model: ServedModel,
        *,
        share: float,
        below: float,
        edges: Sequence[float],
        granted: float,
    ) -> None:
        self.name, self.share, self.below = name, share, below
        self.model = model.as_arm(self)
        self.counting = Counting(edges)
        self._lock = threading.Lock()
        self._given, self._granted = 0, granted
        self._errors, self._stopped = 0, False

    def take(self) -> bool:
        """Return whether it may answer one more request."""
        with self._lock:
            if self._stopped or self._given >= self._granted:
                return False
            self._given += 1
            return True

    def grant(self, answers: float) -> None:
        """Let it answer so many requests in all, unless it has stopped itself."""
        self._granted = answers

    def failed(self, error: Exception) -> None:
        """Count a request that it should have answered and could not; tell of the first."""
        if not self._errors:
            _LOGGER.warning(
                "%s %s fails what the champion answers: %s", self.name, self.model, error
            )
        self.counting.failed()
        self._errors += 1
        if self._errors >= _BROKEN and 2 * self._errors > self.counting.tally().answers:
            self._stopped = True


class Arms:
    """The champion of one name and the arms beside it.

    Attributes:
        champion: who answers what no other arm does.
        others: the other arms.
        label: of the order and its step; tallies of different labels must not be added up.
    """

    def __init__(
        self,
        champion: ServedModel,
        others: Mapping[str, tuple[ServedModel, float]],
        *,
        salt: str = "",
        label: str = "",
        granted: float = float("inf"),
    ) -> None:
        """Divide requests.

        Args:
            champion: gets what is left.
            others: model and share (0 to 1) by the arm's name, in an order that stays.
            salt: decides which keys an arm gets.
            label: of the order and its step.
            granted: how many requests each of the others may answer before it is granted more.
        """
        self.label = label
        bins = edges(champion.bundle.golden.margins.tolist())
        ends = list(itertools.accumulate(share for _, share in others.values()))
        rest = max(0.0, 1.0 - ends[-1]) if ends else 1.0
        self.champion = Arm(
            CHAMPION, champion, share=rest, below=1.0, edges=bins, granted=float("inf")
        )
        self.others = [
            Arm(name, model, share=share, below=end, edges=bins, granted=granted)
            for (name, (model, share)), end in zip(others.items(), ends, strict=True)
        ]
        self._salt = salt.encode()

    def choose(self, key: str) -> Arm:
        """Return the arm for a key, "" for none."""
        place = self._place(key) if key else random.random()
        for arm in self.others:
            if place < arm.below:
                return arm if arm.take() else self.champion
        return self.champion

    def answer(self, key: str, attempt: Callable[[ServedModel], Attempt]) -> bytes:
        """Return the response of the arm for a key, or of the champion when that arm fails.

        `attempt` makes a response with one model. What the champion raises is raised.
        """
        arm, started = self.choose(key), perf_counter_ns()
        try:
            response, margins = attempt(arm.model)
            took = perf_counter_ns() - started
        except Exception as error:
            if arm is self.champion:
                raise
            # If the champion refuses it too, the fault is the caller's.
            response, _ = attempt(self.champion.model)
            arm.failed(error)
            return response
        rows = len(margins)
        arm.counting.answered(took, list(margins[:: 1 + rows // _MOST_COUNTED]), rows)
        return response

    def grant(self, answers: Mapping[str, float]) -> None:
        """Let the arms of these names answer so many requests in all."""
        for arm in self.others:
            if arm.name in answers:
                arm.grant(answers[arm.name])

    def tallies(self) -> dict[str, dict[str, object]]:
        """Return what each arm did, as documents by its name."""
        return {arm.name: arm.counting.tally().to_json() for arm in (self.champion, *self.others)}

    def _place(self, key: str) -> float:
        digest = blake2b(key.encode(), digest_size=8, key=self._salt).digest()
        return int.from_bytes(digest) / 2**64


def attempted(response: bytes) -> Attempt:
    """Return a `PredictResponse` with the margins that it holds."""
    answers = PredictResponse.FromString(response).answers
    return Attempt(response, [answer.margin for answer in answers])


def sticky_key(context: grpc.ServicerContext) -> str:
    """Return the key that a call came with, "" for none."""
    for name, value in context.invocation_metadata() or ():
        if name == STICKY:
            return str(value)
    return ""
