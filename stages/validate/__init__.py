"""Contracts: what a table must look like before anything is built on it."""

from dagrun.stages.validate.check import ContractViolation, Violation, validate
from dagrun.stages.validate.contract import ColumnRules, Contract, SumRule

__all__ = ["ColumnRules", "Contract", "ContractViolation", "SumRule", "Violation", "validate"]
