"""Contracts: what a table must look like before anything is built on it; and a look for leaks."""

from dagrun.stages.validate.check import ContractViolation, Violation, validate
from dagrun.stages.validate.contract import ColumnRules, Contract, SumRule
from dagrun.stages.validate.leakage import Leak, LeakageReport, LeakageUnchecked, check_leakage
from dagrun.stages.validate.strength import Strength

__all__ = [
    "ColumnRules",
    "Contract",
    "ContractViolation",
    "Leak",
    "LeakageReport",
    "LeakageUnchecked",
    "Strength",
    "SumRule",
    "Violation",
    "check_leakage",
    "validate",
]
