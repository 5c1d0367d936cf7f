"""The linter: what in an op's two twins would not keep their bits equal, found before it is used.

`lint` looks at one fitted op; `require` raises what it finds. Fitting runs it on the ops of a
user's project, `dagrun spec check` on all.
"""

from dagrun.stages.lint.finding import Finding, NotParitySafe, VouchedUnknown
from dagrun.stages.lint.lint import lint, require
from dagrun.stages.lint.rules import RULES, Rule

__all__ = ["RULES", "Finding", "NotParitySafe", "Rule", "VouchedUnknown", "lint", "require"]
