"""Hypothesis, which only the extra `dagrun[proof]` brings."""

from __future__ import annotations

from dagrun.stages.proof.errors import ExtraMissing

try:
    import hypothesis
    from hypothesis import errors, strategies
except ModuleNotFoundError as error:
    raise ExtraMissing("hypothesis", "proof") from error

__all__ = ["errors", "hypothesis", "strategies"]
