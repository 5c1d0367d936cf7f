"""The linter over whole ops: dagrun's own pass, and what an op vouches for is let through."""

from __future__ import annotations

from dataclasses import dataclass

import custom_ops
import numpy as np
import polars as pl
import pytest
from tests_every_op import spec_of

from dagrun.stages.features import tokens
from dagrun.stages.lint import VouchedUnknown, lint, require
from dagrun.stages.ops.catalog import OPS
from dagrun.stages.proof import prove
from dagrun.stages.proof.checking import check_feature, lint_spec


def test_all_ops_of_dagrun_pass() -> None:
    assert [str(finding) for finding in lint_spec(spec_of())] == []


OVERFLOW, PARSED = {"integer-overflow"}, {"regex", "text-to-number"}
PYTHON = {"python-function"}
VOUCHING = {
    **dict.fromkeys(("clock", "time_since", "group_agg", "target_mean"), OVERFLOW),
    "parse_number": PARSED,
    **dict.fromkeys(("parse_date", "parse_datetime"), PARSED | OVERFLOW),
    **dict.fromkeys(("tokens", "hashed_tokens"), PYTHON),
    "hash_bucket": PYTHON | {"number-to-text"},
    "yeo_johnson": {"float-sum"},
}
"""Every op that vouches, and for which rules; docs/howto/write-your-own-op.md tells of them."""


def test_few_ops_vouch_and_each_says_why() -> None:
    vouched = {name: kind.vouched for name, kind in OPS.items() if kind.vouched}
    assert {name: {rule for rule, _ in pairs} for name, pairs in vouched.items()} == VOUCHING
    assert all(len(reason) > 20 for pairs in vouched.values() for _, reason in pairs)


def test_no_op_vouches_for_what_it_does_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(*VOUCHING)
    for name in VOUCHING:
        monkeypatch.setattr(OPS[name], "vouched", ())
    found = {(finding.op, finding.rule) for finding in lint_spec(spec)}
    assert found == {(name, rule) for name, rules in VOUCHING.items() for rule in rules}


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


def test_checking_does_not_refuse_ops_of_dagrun() -> None:
    (feature,) = tokens("text", vocabulary=3)
    assert check_feature(feature, examples=3).verdict == "proved"
