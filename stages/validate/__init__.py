"""Contracts: what a table must look like before anything is built on it; and a look for leaks."""

from dagrun.stages.validate.baseline import Baseline, NoSuchColumn, Profile, learn_baseline
from dagrun.stages.validate.check import check_table, validate
from dagrun.stages.validate.checked import Checked, MomentMissing, TableMissing
from dagrun.stages.validate.contract import Contract
from dagrun.stages.validate.finding import ContractViolation, Finding, Findings
from dagrun.stages.validate.infer import infer_contract
from dagrun.stages.validate.leakage import Leak, LeakageReport, LeakageUnchecked, check_leakage
from dagrun.stages.validate.rules import (
    BaselineRules,
    ColumnRules,
    Freshness,
    Reference,
    RowRule,
    SumRule,
)
from dagrun.stages.validate.strength import Strength

__all__ = [
    "Baseline",
    "BaselineRules",
    "Checked",
    "ColumnRules",
    "Contract",
    "ContractViolation",
    "Finding",
    "Findings",
    "Freshness",
    "Leak",
    "LeakageReport",
    "LeakageUnchecked",
    "MomentMissing",
    "NoSuchColumn",
    "Profile",
    "Reference",
    "RowRule",
    "Strength",
    "SumRule",
    "TableMissing",
    "check_leakage",
    "check_table",
    "infer_contract",
    "learn_baseline",
    "validate",
]
