"""The features, declared once: fitted on the training rows, the same bits ever after.

Nothing is missing in them, so that rows can be made between rows (SMOTE): what a customer in the
first month has been charged so far is 0, and the price beside the mean so far is 1.
"""

from __future__ import annotations

from dagrun.stages.features import bucket_fixed, feature_set, impute_const, log1p, one_hot, ratio

MEAN_CHARGE = ratio("total_charges", "tenure", name="mean_charge")

FEATURES = feature_set(
    "tenure",
    log1p("tenure"),
    bucket_fixed("tenure", edges=(6, 12, 24, 48)),
    "monthly_charges",
    impute_const("total_charges", value=0.0),
    impute_const(ratio("monthly_charges", MEAN_CHARGE), value=1.0, name="price_beside_mean"),
    one_hot("contract", "internet_service", "payment_method"),
    one_hot("multiple_lines", "online_security", "online_backup", "device_protection"),
    one_hot("tech_support", "streaming_tv", "streaming_movies"),
    "senior_citizen",
    "partner",
    "dependents",
    "paperless_billing",
)
