"""The features, declared once: fitted on the training rows, the same bits ever after.

What a square foot costs in a neighbourhood is learned from what other houses of the zip code were
sold for: frozen for serving, and for a training row out of fold, from sales without it. No feature
is ever computed from the price of its own row; `price_per_sqft` is read when fitting only.
"""

from __future__ import annotations

from dagrun.stages.features import (
    Column,
    bucket_fixed,
    cyclical,
    date_parts,
    feature_set,
    frequency,
    interact,
    log1p,
    missing_flag,
    null_if,
    ratio,
    target_mean,
)

SOLD_IN = date_parts("date", parts=("year",), name="sold_in")
AGE = interact(SOLD_IN, "yr_built", how="difference", name="age")
RENOVATED_IN = null_if("yr_renovated", values=0, name="renovated_in")
LOCAL_PRICE = target_mean("price_per_sqft", by="zipcode", prior=20, name="local_price_per_sqft")

SIZE = (
    "sqft_living",
    log1p("sqft_living", "sqft_lot", "sqft_above", "sqft_basement"),
    ratio("sqft_living", "sqft_lot", name="built_share"),
    ratio("sqft_living", "sqft_living15", name="size_beside_neighbours"),
    ratio("sqft_lot", "sqft_lot15", name="lot_beside_neighbours"),
    "floors",
)

ROOMS = (
    "bedrooms",
    "bathrooms",
    ratio("bathrooms", "bedrooms", name="baths_per_bedroom"),
    ratio("sqft_living", "bedrooms", name="sqft_per_bedroom"),
)

QUALITY = (
    "grade",
    "condition",
    "view",
    "waterfront",
    interact("grade", "sqft_living", name="graded_area"),
    interact("waterfront", "sqft_living", name="area_at_the_water"),
)

YEARS = (
    AGE,
    bucket_fixed(AGE, edges=(0, 5, 15, 30, 50, 80), name="age_bucket"),
    missing_flag(RENOVATED_IN, name="never_renovated"),
    interact(SOLD_IN, RENOVATED_IN, how="difference", name="years_since_renovation"),
)

PLACE = (
    LOCAL_PRICE,
    interact(LOCAL_PRICE, "sqft_living", name="size_at_local_price"),
    frequency("zipcode"),
    "lat",
    "long",
    log1p("sqft_living15", "sqft_lot15"),
)

SEASON = (
    date_parts("date", parts=("month", "weekday")),
    cyclical(date_parts("date", parts=("day_of_year",)), period=365),
)

NEEDED = (
    Column(name="date", dtype="date", nullable=False),
    Column(name="sqft_living", dtype="int64", nullable=False),
    Column(name="zipcode", dtype="int64", nullable=False),
)

FEATURES = feature_set(*SIZE, *ROOMS, *QUALITY, *YEARS, *PLACE, *SEASON, inputs=NEEDED, time="date")
