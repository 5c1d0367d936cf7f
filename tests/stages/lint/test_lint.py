"""The linter over whole ops: dagrun's own pass, and what an op vouches for is let through."""

from __future__ import annotations

from dataclasses import dataclass

import custom_ops
import numpy as np
import polars as pl
import pytest
from tests_every_op import EVERY_OP, spec_of

from dagrun.stages.features import tokens
from dagrun.stages.features.step import kinds_of
from dagrun.stages.lint import VouchedUnknown, lint, require
from dagrun.stages.ops.catalog import OPS
from dagrun.stages.proof import prove
from dagrun.stages.proof.checking import check_feature, lint_spec

OWN = {
    "integer-overflow": {"bucket_fixed", "bucket_quantile"},  # counts of edges, in an Int8
    "categorical": {"frequency", "group_agg", "lookup", "ordinal", "target_mean"},  # frozen Enums
    "python-function": {"hash_bucket", "hashed_tokens", "tokens"},  # one function in both twins
    "number-to-text": {"hash_bucket"},
    "float-sum": {"rare_group", "tokens", "yeo_johnson"},  # whole numbers; sorted values
    "function-differs": {"parse_date"},  # least and greatest of whole numbers
    "not-measured": {
        *("counts", "elements", "norm_text", "parse_date", "parse_datetime", "parse_number"),
    },
}
"""What dagrun's own ops may do that others may not, since the big proof covers each of them."""


def test_ops_of_dagrun_break_no_other_rules() -> None:
    spec, broken = spec_of(), dict[str, set[str]]()
    kinds = kinds_of([column.kind for column in spec.inputs], spec.steps)
    for step in spec.steps:
        for finding in lint(step.op, [kinds[place] for place in step.reads]):
            broken.setdefault(finding.rule, set()).add(finding.op)
    assert broken == OWN


def test_checking_does_not_refuse_ops_of_dagrun() -> None:
    assert lint_spec(spec_of()) == ()
    (feature,) = tokens("text", vocabulary=3)
    assert check_feature(feature, examples=3).verdict == "proved"


def test_few_ops_vouch_and_each_says_why() -> None:
    vouching = {name: dict(kind.vouched) for name, kind in OPS.items() if kind.vouched}
    assert set(vouching) <= set(EVERY_OP)
    assert {rule for rules in vouching.values() for rule in rules} <= {"integer-overflow"}
    assert all(len(reason) > 20 for rules in vouching.values() for reason in rules.values())


def test_what_is_vouched_for_passes_the_linter_but_not_the_proof() -> None:
    assert lint(custom_ops.Vouched(), ["double"]) == ()
    found = prove(custom_ops.Vouched(), examples=200)
    assert found.different


@dataclass(frozen=True, slots=True, kw_only=True)
class Boasting(custom_ops.Vouched):
    """Vouches for a rule that there is not."""

    vouched = (("divide-by-litteral", "because"),)


def test_a_rule_that_does_not_exist_cannot_be_vouched_for() -> None:
    with pytest.raises(VouchedUnknown, match="Did you mean 'divide-by-literal'"):
        require(Boasting(), "made", ["double"])


def test_checking_refuses_before_it_proves() -> None:
    checked = check_feature(custom_ops.Sloppy(), examples=3)
    assert (checked.verdict, checked.proof) == ("refused", None)
    rules = [(one.place, one.rule) for one in checked.findings]
    assert len(rules) == len(set(rules))
    assert check_feature(custom_ops.Capped(cap=1.0), examples=3).verdict == "proved"


def test_numpys_exp_is_not_polars() -> None:
    values = np.linspace(-20.0, 20.0, 20_001)
    assert (pl.Series(values).exp().to_numpy() != np.exp(values)).any()


def test_sums_depend_on_their_order() -> None:
    assert sum([1e16, 1.0, -1e16]) != sum([1e16, -1e16, 1.0])
