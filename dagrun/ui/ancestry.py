"""A lineage on the terminal: a tree from an artifact down to the files it was made from."""

from __future__ import annotations

from dagrun.engine.history.lineage import Step
from dagrun.ui.artifact import param_text
from dagrun.ui.quantities import ago, counted, short
from dagrun.ui.terminal import paint


def lineage_lines(name: str, steps: tuple[Step, ...]) -> list[str]:
    """Return the tree; a stage that feeds several is told once, and named again."""
    by_key = {step.key: step for step in steps}
    told: set[str] = set()
    lines: list[str] = []
    # A stack, not recursion: pipelines may be deeper than Python's.
    waiting = [("", "", name, steps[0].key)]
    while waiting:
        first, rest, artifact, key = waiting.pop()
        step = by_key.get(key, Step(key=key))
        again = key in told
        lines.append(first + _title(artifact, step, again=again))
        if again:
            continue
        told.add(key)
        files = [
            f"{source.param}: {file}  {paint(short(digest), 'dim')}"
            for source in step.sources
            for file, digest in source.files.items()
        ]
        origins = list(step.inputs.values())
        branches = ["├─ "] * (len(files) + len(origins) - 1) + ["└─ "]
        lines += [rest + branch + file for branch, file in zip(branches, files, strict=False)]
        below = [
            (
                rest + branch,
                rest + ("   " if branch == "└─ " else "│  "),
                origin.artifact,
                origin.key,
            )
            for branch, origin in zip(branches[len(files) :], origins, strict=False)
        ]
        waiting += reversed(below)
    return lines


def _title(artifact: str, step: Step, *, again: bool = False) -> str:
    name = paint(artifact, "bold")
    if not step.stored:
        return f"{name}  key {short(step.key)}, whose entry is no longer stored"
    by = f" (of stage {step.stage})" if step.stage != artifact else ""
    if again:
        return f"{name}{by}  {paint('see above', 'dim')}"
    facts = [f"key {short(step.key)}", f"code {short(step.code)}"]
    output = step.outputs.get(artifact)
    if output is not None and output.rows is not None:
        facts.insert(0, counted(output.rows, "row"))
    facts += [f"{name} = {param_text(form)}" for name, form in step.params.items()]
    return f"{name}{by}  {', '.join(facts)}  {paint(ago(step.created), 'dim')}"
