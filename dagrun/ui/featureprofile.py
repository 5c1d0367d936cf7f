"""A profile of features on the terminal: one line each, in the order that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dagrun.ui.columns import Cell, aligned
from dagrun.ui.terminal import paint

if TYPE_CHECKING:
    from dagrun.stages.bundle.profile import FeatureProfile, Profile

MOST_FEATURES = 60
_ORDERS: dict[str, Callable[[Any], float]] = {
    "place": lambda _: 0.0,
    "gain": lambda feature: -(feature.gain or 0.0),
    "cost": lambda feature: -feature.cost,
    "missing": lambda feature: -feature.missing,
}
_HEAD: tuple[str, ...] = (
    *("feature", "missing", "least", "25%", "50%", "75%", "greatest"),
    *("gain", "cover", "us/row", "most frequent"),
)


def profile_lines(profile: Profile, *, label: str, by: str) -> list[str]:
    """Return the profile as a table, the first features of an order if there are many."""
    ordered = sorted(profile.features, key=_ORDERS[by])
    rows: list[list[Cell]] = [list(_HEAD)]
    rows += [_row(feature) for feature in ordered[:MOST_FEATURES]]
    lines = [label, *aligned(rows, right=set(range(1, 10)))]
    if len(ordered) > MOST_FEATURES:
        lines.append(f"... and {len(ordered) - MOST_FEATURES} more (all of them: --json)")
    total = sum(feature.cost for feature in profile.features)
    lines.append(
        f"a whole row takes {profile.cost:.2f} us; the features add up to {total:.2f} us: "
        "steps they share count with each, taking the row apart with none"
    )
    slow = [feature.name for feature in profile.features if not feature.exact]
    if slow:
        told = (
            f"computed by Polars even for one row, and with them the whole row: {', '.join(slow)}"
        )
        lines.append(paint(told, "warn"))
    return lines


def _row(feature: FeatureProfile) -> list[Cell]:
    figures = [f"{value:.4g}" for value in feature.quantiles] or [""] * 5
    several = f"={{{len(feature.columns)}}}" if feature.columns[0] != feature.name else ""
    return [
        feature.name + several,
        _share(feature.missing),
        *figures,
        _share(feature.gain),
        _share(feature.cover),
        f"{feature.cost:.2f}",
        ", ".join(f"{value} {share:.0%}" for value, share in feature.top),
    ]


def _share(value: float | None) -> str:
    return "" if not value else f"{value:.1%}"
