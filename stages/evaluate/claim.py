"""A condition of the gate file with all that is needed to judge it.

A claim is one condition with the items it is held against: the model itself, its slices, one item
per column that might be missing, and so on. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dagrun.stages.bundle import Bundle
from dagrun.stages.evaluate.bootstrap import Bootstrap
from dagrun.stages.evaluate.gate import Gate
from dagrun.stages.evaluate.holdout import GateUnjudgeable, Holdout
from dagrun.stages.evaluate.judgement import Part
from dagrun.stages.evaluate.weighted import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One of the things that a condition is held against.

    Attributes:
        told: how its number is introduced, as `auc of carrier 'HA' is`.
        value: the number; NaN where it has no meaning, and then it is not judged.
        measure: tells it of resampled rows; None for a number that no rows have a part in.
        interval: where it is known already.
        part: how the outcome lists it; None for one that stands alone.
    """

    told: str
    value: float
    measure: Measure | None = None
    interval: tuple[float, float] | None = None
    part: Part | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One condition, ready to be judged.

    Attributes:
        condition: its name in the file; whether it is a lower bound follows from it.
        items: what it is held against; every one of them must hold.
        aside: parts that are listed and not judged.
        nothing: what is said when there is no item, and whether that passes.
        against: the baseline or champion that it compares with.
        among: what the items are called, as `slices`.
        show: how its numbers are written.
    """

    gate: Gate
    condition: str
    wanted: float
    items: Sequence[Item]
    aside: tuple[Part, ...] = ()
    nothing: tuple[bool, str] = (False, "there is nothing to judge")
    against: str = ""
    among: str = ""
    measured: bool = False
    show: Callable[[float], str] = "{:.6g}".format

    @property
    def is_floor(self) -> bool:
        """Whether the number must be at or above what is wanted, not at or below."""
        return self.condition in ("at_least", "better_than_baseline_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """The champion on the same rows: what it is called, and its bundle."""

    name: str
    bundle: Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What gates are judged by.

    Attributes:
        figures: of the report, and the baselines' scores by their names.
        holdout: bundle and rows; None when only the report is there.
        rival: the champion; None when there is none.
    """

    figures: Mapping[str, float]
    holdout: Holdout | None = None
    rival: Rival | None = None
    how: Bootstrap = field(default_factory=Bootstrap)

    def rows_for(self, gate: Gate) -> Holdout:
        """Return bundle and rows. Raises `GateUnjudgeable` when they were not given."""
        if self.holdout is None:
            problem = "it needs the bundle and rows: judge(report, gates, bundle=..., rows=..., "
            raise GateUnjudgeable(gate.place, problem + "label=...)")
        return self.holdout
