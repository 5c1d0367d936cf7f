"""Candidates: what kind of model to train and how, as values that a stage can return.

A candidate is a small document, so a list of them can be mapped over, compared and cached like any
other artifact; nothing is trained here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dagrun.engine.errors import listing
from dagrun.stages.bundle.model import Param, Params
from dagrun.stages.train.errors import TrainingInvalid
from dagrun.stages.train.labelled import Weight

Family = Literal["xgboost", "logistic", "forest", "boosting"]
Resampling = Literal["over", "under", "smote"]
RESAMPLINGS: tuple[Resampling, ...] = ("over", "under", "smote")
STOPS_EARLY: tuple[Family, ...] = ("xgboost", "boosting")
"""Families that look at the validation rows to decide when to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model to be trained. Make one with `Candidate.xgboost`, `.logistic`, `.forest` or
    `.boosting`.

    Attributes:
        name: what it is called among others.
        family: the kind of model.
        params: parameters of the library that trains it, sorted by name.
        positive_weight: how many rows a positive one counts for; `"balanced"` for negatives by
            positives, so that both classes weigh the same; None for one.
        resample: `"over"`: positives (or whichever are fewer) drawn again until both classes have
            equally many rows; `"under"`: the others left out; `"smote"`: new rows between
            neighbours. None for the rows as they are.
        monotone: features whose effect must not fall (1) or rise (-1).
        categorical: features whose numbers are codes without order; of XGBoost alone.
    """

    name: str
    family: Family
    params: Params = ()
    positive_weight: Weight = None
    resample: Resampling | None = None
    monotone: tuple[tuple[str, int], ...] = ()
    categorical: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise `TrainingInvalid` for settings that exclude each other."""
        weight = self.positive_weight
        if self.resample is not None and self.resample not in RESAMPLINGS:
            raise TrainingInvalid(f"resample={self.resample!r}; there is {listing(RESAMPLINGS)}")
        if not (weight is None or weight == "balanced" or (_number(weight) and weight > 0)):
            raise TrainingInvalid(
                f"positive_weight={weight!r}; give 'balanced' or a number above 0"
            )
        if weight is not None and self.resample is not None:
            raise TrainingInvalid(
                f"candidate {self.name!r} has both a positive_weight and resample: either alone "
                "makes the classes weigh the same"
            )
        if bad := [step for _, step in self.monotone if step not in (-1, 1)]:
            raise TrainingInvalid(f"monotone {bad[0]!r} of {self.name!r}; give 1 or -1")
        if self.categorical and self.family != "xgboost":
            raise TrainingInvalid(
                f"candidate {self.name!r} has categorical features, which only XGBoost learns; "
                "give the others one_hot or target_mean"
            )
        if self.monotone and self.family == "logistic":
            raise TrainingInvalid(f"{self.name!r}: a logistic regression has no monotone option")
        if self.categorical and self.resample == "smote":
            raise TrainingInvalid("smote makes rows between rows, and there is none between codes")

    @classmethod
    def xgboost(
        cls,
        name: str = "xgboost",
        *,
        positive_weight: Weight = None,
        resample: Resampling | None = None,
        monotone: Mapping[str, int] | None = None,
        categorical: Sequence[str] = (),
        **params: Param,
    ) -> Candidate:
        """Return a candidate of XGBoost; `params` are those of `fit_xgboost`."""
        return cls(
            name=name,
            family="xgboost",
            params=tuple(sorted(params.items())),
            positive_weight=positive_weight,
            resample=resample,
            monotone=tuple((monotone or {}).items()),
            categorical=tuple(categorical),
        )

    @classmethod
    def logistic(
        cls,
        name: str = "logistic",
        *,
        positive_weight: Weight = None,
        resample: Resampling | None = None,
        **params: Param,
    ) -> Candidate:
        """Return a logistic regression over standardized features; a missing one is its mean.

        `params` are those of scikit-learn's `LogisticRegression`, such as `C=0.1`.
        """
        return cls(
            name=name,
            family="logistic",
            params=tuple(sorted(params.items())),
            positive_weight=positive_weight,
            resample=resample,
        )

    @classmethod
    def forest(
        cls,
        name: str = "forest",
        *,
        positive_weight: Weight = None,
        resample: Resampling | None = None,
        monotone: Mapping[str, int] | None = None,
        **params: Param,
    ) -> Candidate:
        """Return a random forest.

        `params` are those of scikit-learn's `RandomForestClassifier` (or `...Regressor`), such as
        `n_estimators=300` or `min_samples_leaf=5`.
        """
        return cls(
            name=name,
            family="forest",
            params=tuple(sorted(params.items())),
            positive_weight=positive_weight,
            resample=resample,
            monotone=tuple((monotone or {}).items()),
        )

    @classmethod
    def boosting(
        cls,
        name: str = "boosting",
        *,
        positive_weight: Weight = None,
        resample: Resampling | None = None,
        monotone: Mapping[str, int] | None = None,
        **params: Param,
    ) -> Candidate:
        """Return scikit-learn's gradient boosting over histograms.

        `params` are those of `HistGradientBoostingClassifier` (or `...Regressor`), such as
        `max_iter=300` (the default here: 500) or `n_iter_no_change=20` (30).
        """
        return cls(
            name=name,
            family="boosting",
            params=tuple(sorted(params.items())),
            positive_weight=positive_weight,
            resample=resample,
            monotone=tuple((monotone or {}).items()),
        )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
