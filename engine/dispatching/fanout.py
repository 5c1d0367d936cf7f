"""Fan-out: a mapped stage on its way, from the results of its elements to its own.

Guarantee: an element is committed when it is done, whatever becomes of the others; equal elements
are called once; and the stage has an entry of its own, the list of theirs, only once all of them
have one. The stage's entry names its elements' keys among its producers, as `[0]`, `[1]`, ...
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from dagrun.engine.dispatching import outcomes
from dagrun.engine.dispatching.attempts import Attempt
from dagrun.engine.elements import Element
from dagrun.engine.events import StageResult, StageStatus
from dagrun.engine.keys import Recipe
from dagrun.engine.lists import gather_outputs
from dagrun.engine.store.entries import Entry
from dagrun.engine.store.store import Store


class Fan:
    """The elements of one mapped stage and the results they have so far."""

    def __init__(self, whole: Attempt, elements: Sequence[Element]) -> None:
        self.whole, self.elements = whole, elements
        self._results: dict[int, StageResult] = {}
        self._twins: dict[str, list[Element]] = {}

    @property
    def settled(self) -> int:
        """How many elements have their result."""
        return len(self._results)

    @property
    def done(self) -> bool:
        """Whether every element has its result."""
        return self.settled == len(self.elements)

    def claim(self, element: Element, key: str) -> bool:
        """Tell whether an element is the first one of its key, and so the one to be called."""
        twins = self._twins.setdefault(key, [])
        twins.append(element)
        return len(twins) == 1

    def settle(self, element: Element, key: str | None, result: StageResult) -> None:
        """Take the result of an element with its key, also for those equal to it."""
        self._results[element.index] = replace(result, element=element.index, label=element.label)
        first, *twins = self._twins.get(key or "", [element])
        if first is not element:
            return
        for twin in twins:
            again = result
            if result.status == "ran":
                reason = f"equal to element {element.index}"
                again = replace(result, status="hit", seconds=0.0, reason=reason, same=False)
            self._results[twin.index] = replace(again, element=twin.index, label=twin.label)

    def result(self) -> StageResult:
        """Return the stage's result without its outputs, once every element has one."""
        results = tuple(self._results[element.index] for element in self.elements)
        counts = Counter(result.status for result in results)
        worst_first: tuple[StageStatus, ...] = ("failed", "skipped", "ran")
        status: StageStatus = next((each for each in worst_first if counts[each]), "hit")
        whole = StageResult(
            name=self.whole.name,
            status=status,
            key=self.whole.decision.key,
            seconds=sum(result.seconds for result in results),
            saved=sum(result.saved for result in results),
            reason=self.whole.reason if status in ("ran", "failed") else "",
            attempts=max((result.attempts for result in results), default=0),
            elements=results,
        )
        if status == "skipped":
            return replace(whole, reason=_first(results, status).reason)
        if status == "failed":
            worst = _first(results, status)
            doing = f"running stage {whole.name!r}: "
            error = (worst.error or "").removeprefix(doing).removeprefix("calling it: ")
            more = f" ({counts['failed']} of {len(results)} elements failed)"
            said = f"{doing}element {worst.element} ({worst.label}): {error}"
            return replace(whole, error=said + more * (counts["failed"] > 1), trace=worst.trace)
        return whole

    def gather(
        self,
        recipe: Recipe,
        store: Store,
        *,
        producers: Mapping[str, tuple[str, str]],
        last: Entry | None,
        force: bool,
    ) -> StageResult:
        """Return the stage's result, its entry committed if every element succeeded.

        Raises `StoreError`.
        """
        whole = self.result()
        if whole.status not in ("ran", "hit"):
            return whole
        results = whole.elements or ()
        names, labels = recipe.stage.outputs, [element.label for element in self.elements]
        outputs = gather_outputs(names, labels, [result.outputs for result in results])
        entry = Entry(
            key=whole.key or "",
            stage=whole.name,
            preimage=self.whole.decision.preimage or {},
            outputs=outputs,
            producers={**producers, **dict(_producers(results, names[0]))},
            seconds=whole.seconds + whole.saved,
            created=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        )
        with store.lock(entry.key) as claim:
            stands = store.commit(claim, entry, recipe.code.texts, force=force)
        details = outcomes.done(whole.name, whole.status, whole.key, stands.outputs)
        same = whole.status == "ran" and outcomes.is_same(stands.outputs, last)
        return replace(whole, outputs=details.outputs, rows=details.rows, same=same)


def _producers(
    results: Sequence[StageResult], output: str
) -> Iterator[tuple[str, tuple[str, str]]]:
    return ((f"[{index}]", (result.key or "", output)) for index, result in enumerate(results))


def _first(results: Sequence[StageResult], status: str) -> StageResult:
    return next(result for result in results if result.status == status)
