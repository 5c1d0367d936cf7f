"""Tuning with Optuna, where every trial is a call of a mapped stage.

    @stage
    def first() -> list[Trial]:
        return suggest(SPACE, count=8, seed=1)

    @stage(over="first")
    def told_first(ctx: Context, first: Trial, train: pl.DataFrame) -> Told: ...

    @stage
    def second(told_first: list[Told]) -> list[Trial]:
        return suggest(SPACE, told_first, count=8, seed=1)

Trials of a round run in parallel, each has its own key, and what was tried is a hit: a run that was
killed goes on with the trials that are missing, and no database is needed.

Guarantee: equal space, told trials and seed give equal suggestions, and more of them begin with the
same ones. Where it ends: trials of one round do not know of each other, so many short rounds search
better than one long one. Another release of Optuna may suggest others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dagrun.engine.errors import listing
from dagrun.engine.extras import MissingExtra
from dagrun.stages.bundle.model import Param, Params
from dagrun.stages.train.candidate import Candidate
from dagrun.stages.train.errors import TrainingInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """A range to search, ends included: whole numbers if both ends are, else floats.

    Attributes:
        low, high: the ends.
        log: whether a factor counts the same everywhere, as for a learning rate.
    """

    low: float
    high: float
    log: bool = False


Space = Mapping[str, Between | Sequence[Param]]
"""What to search by the name of a param: a range, or the values to choose from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Params to be tried, sorted by name."""

    params: Params

    def applied(self, candidate: Candidate) -> Candidate:
        """Return the candidate with these params in place of its own."""
        merged = {**dict(candidate.params), **dict(self.params)}
        return replace(candidate, params=tuple(sorted(merged.items())))

    def __str__(self) -> str:
        return " ".join(
            f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in self.params
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A trial and what came of it; lower is better."""

    trial: Trial
    value: float


def suggest(space: Space, told: Sequence[Told] = (), *, count: int, seed: int) -> list[Trial]:
    """Return the next trials, by Optuna's tree-structured Parzen estimator.

    Args:
        space: what to search.
        told: trials that are done, of all rounds before.
        count: how many to return.
        seed: decides all chance.

    Raises:
        MissingExtra: Optuna is not installed.
        TrainingInvalid: an empty space or range, or a told trial of another space.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise MissingExtra("optuna", "train", "suggest") from error
    kinds = {name: _distribution(name, given) for name, given in sorted(space.items())}
    if not kinds:
        raise TrainingInvalid("the space to search has no params")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed + len(told)))
    for each in told:
        if [name for name, _ in each.trial.params] != list(kinds):
            names = [name for name, _ in each.trial.params]
            raise TrainingInvalid(
                f"a trial of {listing(names)} was told of a space of {listing(list(kinds))}"
            )
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(each.trial.params), distributions=kinds, value=each.value
            )
        )
    return [Trial(params=tuple(sorted(study.ask(kinds).params.items()))) for _ in range(count)]


def best_trial(told: Sequence[Told]) -> Trial:
    """Return the trial with the lowest value, of equals the first. Raises `TrainingInvalid`."""
    if not told:
        raise TrainingInvalid("no trial was told of, so none is the best")
    return min(told, key=lambda each: each.value).trial


def _distribution(name: str, given: Between | Sequence[Param]) -> Any:
    from optuna import distributions

    if not isinstance(given, Between):
        if not given:
            raise TrainingInvalid(f"there is no value of {name!r} to choose from")
        return distributions.CategoricalDistribution(list(given))
    if not given.low <= given.high or (given.log and given.low <= 0):
        raise TrainingInvalid(f"{name!r} between {given.low!r} and {given.high!r} holds nothing")
    if isinstance(given.low, int) and isinstance(given.high, int):
        return distributions.IntDistribution(given.low, given.high, log=given.log)
    return distributions.FloatDistribution(given.low, given.high, log=given.log)
