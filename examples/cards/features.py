"""The features, declared once: fitted on the training rows, the same bits ever after.

What a row holds of its card's past is made before (`history.py`). Here the past of shops is added:
how often a payment there was reported as fraud. A report comes up to 45 days later, so a training
row sees only the reports that had come in before its own moment.
"""

from __future__ import annotations

from dagrun.stages.features import (
    Column,
    cyclical,
    date_parts,
    feature_set,
    frequency,
    log1p,
    missing_flag,
    one_hot,
    ratio,
    target_mean,
)

PER_PAYMENT = ratio("spent_30d", "paid_30d", name="usual_cents")

PAYMENT = (
    log1p("cents"),
    one_hot("entry", "sort"),
    date_parts("at", parts=("hour", "weekday"), tz="UTC"),
    cyclical(date_parts("at", parts=("hour",), tz="UTC"), period=24),
)

PACE = (
    "paid_1h",
    "paid_24h",
    "paid_7d",
    "paid_30d",
    log1p("spent_1h", "spent_24h", "spent_7d", "spent_30d", "largest_30d"),
    log1p("seconds_since_last"),
    ratio("spent_24h", "spent_30d", name="day_in_month"),
)

UNUSUAL = (
    PER_PAYMENT,
    ratio("cents", PER_PAYMENT, name="cents_beside_usual"),
    ratio("cents", "largest_30d", name="cents_beside_largest"),
    ratio("cents", "limit_cents", name="cents_in_limit"),
    ratio("spent_24h", "limit_cents", name="day_in_limit"),
    "times_here",
    missing_flag("spent_30d"),
)

PLACE = (
    "km_from_home",
    "km_from_last",
    ratio("km_from_last", "seconds_since_place", name="speed"),
)

SHOP = (
    target_mean("fraud", by="shop", prior=50, training="past"),
    target_mean("fraud", by=("sort", "entry"), prior=200, training="past"),
    frequency("shop", training="past"),
)

NEEDED = (
    Column(name="at", dtype="timestamp", aware=True, nullable=False),
    Column(name="cents", dtype="int64", nullable=False),
    Column(name="shop", dtype="int64", nullable=False),
)

FEATURES = feature_set(
    *PAYMENT, *PACE, *UNUSUAL, *PLACE, *SHOP, inputs=NEEDED, time="at", known_after={"fraud": "45d"}
)
