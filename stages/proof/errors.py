"""What can go wrong with a proof, apart from the differences that it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagrun.engine.errors import DagrunError, DefinitionError

if TYPE_CHECKING:
    from dagrun.stages.proof.outcome import Proof


class ExtraMissing(DefinitionError):
    """A distribution that only an extra of dagrun brings is not installed."""

    def __init__(self, distribution: str, extra: str) -> None:
        self.distribution, self.extra = distribution, extra
        super().__init__(
            f"this needs {distribution}, which is not installed. "
            f"Install it with: pip install 'dagrun[{extra}]'"
        )


class NothingProved(DagrunError):
    """No example could be made, so nothing was compared."""

    def __init__(self, what: str, problem: str) -> None:
        self.what, self.problem = what, problem
        super().__init__(f"nothing was proved about {what}: {problem}")


class NotProved(DagrunError):
    """Two ways to compute the same features gave different bits."""

    def __init__(self, proof: Proof) -> None:
        self.proof = proof
        super().__init__(f"parity does not hold: {proof}")


class WorkerFailed(DagrunError):
    """A process that was to compute the same features elsewhere did not finish."""

    def __init__(self, name: str, problem: str) -> None:
        self.name, self.problem = name, problem
        super().__init__(f"the process {name!r} gave no result: {problem}")
