"""The model card: what is known of one bundle, for people who have to decide about it.

Guarantee: every number on it is from the bundle, its verdict, or the report given; the card of
equal ones has equal bytes. Where it ends: what a model is for and what it must not be used for is
told by `about`, which nobody can compute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dagrun.engine.dispatching.amounts import show_amount
from dagrun.engine.stage import Verdict
from dagrun.stages.bundle import Booster, Bundle, ModelVersion
from dagrun.stages.bundle.limits import Limits
from dagrun.stages.bundle.profile import importance
from dagrun.stages.evaluate import Judgement, Outcome, RegressionReport, Report
from dagrun.stages.evaluate.trials import show_seconds
from dagrun.stages.features.facts import features_of
from dagrun.stages.pages.page import figure, render, shortened
from dagrun.stages.pages.picture import Bar, Picture, bars, calibration, dots, histogram

_TOP = 15
_BINS = 20

_BODY = """{% extends "page" %}{% from "parts" import facts, table, pictures, pill %}
{% block body %}
<h1>{{ title }} {{ pill(status[0], status[1]) }}</h1>
<p class="quiet">{{ subtitle }}</p>
{% for paragraph in about %}<p>{{ paragraph }}</p>{% endfor %}
{{ facts(identity) }}
{% if outcomes or reasons %}<h2>What its gates say</h2>
{% if resamples %}<p class="quiet">Judged on {{ rows | figure }} rows; intervals hold
{{ '%g' | format(100 * level) }} % of {{ resamples | figure }} resamples.</p>{% endif %}
{% if outcomes %}<div class="wide" tabindex="0"><table><thead><tr><th></th><th>condition</th>
<th class="n">found</th><th class="n">interval</th><th>wanted</th></tr></thead><tbody>
{% for one in outcomes %}<tr><td>{{ pill('good' if one.passed else 'bad',
'ok' if one.passed else 'NO') }}</td><td><code>{{ one.gate }}</code></td>
<td class="n">{{ one.found }}</td><td class="n">{{ one.interval }}</td><td>{{ one.wanted }}</td>
</tr>{% endfor %}</tbody></table></div>
{% else %}<ul>{% for reason in reasons %}<li>{{ reason }}</li>{% endfor %}</ul>{% endif %}
{% endif %}
{% if judged %}<h2>Where it is good and where it is not</h2>{{ pictures(judged) }}{% endif %}
{% if metrics %}<h2>Figures</h2>{{ table(("figure", "value"), metrics, (1,)) }}{% endif %}
<h2>What it goes by</h2>{{ pictures(model) }}
<h2>What it takes</h2>
{{ table(("column", "type", "null", "limits of live rows"), inputs) }}
<h2>Where it comes from</h2>
{% if lineage %}{{ table(("artifact", "digest"), lineage) }}
{% else %}<p>It was made outside of a run, so nothing is recorded.</p>{% endif %}
{% if key %}<p class="quiet">Made by the stage with key <code>{{ key }}</code>.</p>{% endif %}
{% endblock %}
"""


def model_card(
    bundle: Bundle,
    *,
    version: ModelVersion | None = None,
    verdict: Verdict | None = None,
    report: Report | RegressionReport | None = None,
    about: str = "",
) -> str:
    """Return the card of a bundle, one HTML page.

    Args:
        bundle: the model.
        version: what the registry calls it.
        verdict: what its gates said; of a `Judgement` with pictures of its slices, groups and
            missing columns.
        report: of its evaluation, for calibration, decisions and slices.
        about: what it is for, where it must not be used, whom to ask; paragraphs apart by a blank
            line.

    Raises `MissingExtra` without the extra `pages`.
    """
    judgement = verdict if isinstance(verdict, Judgement) else None
    outcomes = judgement.outcomes if judgement else ()
    fields = {
        "title": str(version or bundle.name),
        "status": _status(verdict),
        "subtitle": _subtitle(bundle),
        "about": [part.strip() for part in about.split("\n\n") if part.strip()],
        "identity": list(_identity(bundle, version, report)),
        "outcomes": [_line(outcome) for outcome in outcomes],
        "reasons": verdict.reasons if verdict else (),
        "rows": judgement.rows if judgement else 0,
        "level": judgement.level if judgement else 0.0,
        "resamples": judgement.resamples if judgement else 0,
        "judged": [*_reported(report), *_of_parts(outcomes)],
        "metrics": [(name, figure(value)) for name, value in sorted(bundle.metrics.items())],
        "model": list(_model(bundle)),
        "inputs": list(_inputs(bundle)),
        "lineage": sorted(bundle.lineage.inputs.items()),
        "key": bundle.lineage.key,
    }
    return render(_BODY, fields)


def _status(verdict: Verdict | None) -> tuple[str, str]:
    if verdict is None:
        return "plain", "not judged"
    return ("good", "passed its gates") if verdict.passed else ("bad", "refused by its gates")


def _subtitle(bundle: Bundle) -> str:
    what = "a number" if bundle.task == "regression" else "a probability"
    trained = bundle.trained
    when = f", trained on {trained['from']} to {trained['to']}" if "from" in trained else ""
    return f"Model card: answers with {what} for each row{when}."


def _identity(
    bundle: Bundle, version: ModelVersion | None, report: Report | RegressionReport | None
) -> Iterator[tuple[str, str]]:
    yield "bundle", bundle.digest
    yield "size", show_amount("memory", len(bundle.to_bytes()))
    if version is not None:
        yield "registered", f"{version.at[:10]} by {version.by}"
        yield "reason", version.reason
        yield "run", version.run_id
    if bundle.threshold is not None:
        yield "labelled True from", figure(bundle.threshold)
    yield "features", f"{len(bundle.spec.names)} of {len(bundle.spec.inputs)} columns"
    if report is not None:
        yield "evaluated on", f"{report.rows:,} rows"


def _line(outcome: Outcome) -> dict[str, object]:
    """Return an outcome's line of the table, its numbers with their units."""
    show = {"size": _size, "latency": show_seconds}.get(outcome.gate, figure)
    low, high = outcome.low, outcome.high
    found = "nothing to judge" if outcome.found is None else show(outcome.found)
    if outcome.condition == "better_than_baseline_by":
        wanted = f"better than {outcome.against} by {show(outcome.wanted)}"
    else:
        against = f" than {outcome.against}" if outcome.against else ""
        words = outcome.condition.replace("_", " ").replace("worse by", f"worse{against} by")
        wanted = f"{words} {show(outcome.wanted)}"
    return {
        "gate": outcome.gate,
        "passed": outcome.passed,
        "found": found,
        "interval": "" if low is None or high is None else f"{show(low)} to {show(high)}",
        "wanted": wanted + (", with confidence" if outcome.confident else ""),
    }


def _size(value: float) -> str:
    return show_amount("memory", value)


def _of_parts(outcomes: Sequence[Outcome]) -> Iterator[Picture]:
    """Yield a picture of each outcome that was found among several parts."""
    for outcome in outcomes:
        items = [
            Bar(
                name=shortened(part.name, 24),
                value=part.value,
                low=part.low,
                high=part.high,
                pale=not part.judged,
            )
            for part in outcome.parts
            if part.value is not None
        ]
        kind, metric = outcome.gate.split(".")[0], outcome.gate.rsplit(".", 1)[-1]
        if len(items) < 2:
            continue
        if kind == "missing":
            ordered = sorted(items, key=lambda item: -item.value)
            yield bars(
                f"{metric}: what a missing column costs",
                ordered,
                axis=f"{metric} worse by",
                limit=outcome.wanted,
            )
        else:
            yield dots(
                outcome.gate,
                items,
                axis=metric if kind == "slices" else "rate",
                caption="Grey: too few rows to be judged." if any(i.pale for i in items) else "",
                limit=outcome.wanted if kind == "slices" else None,
            )


def _reported(report: Report | RegressionReport | None) -> Iterator[Picture]:
    if isinstance(report, Report):
        points = [
            (bin.predicted, bin.observed, bin.count)
            for bin in report.calibration
            if bin.predicted is not None and bin.observed is not None
        ]
        caption = f"Expected calibration error {report.calibration_error:.4f}."
        yield calibration("Are its probabilities true?", points, caption)
        counts = report.decisions
        found = {
            "rightly True": counts.true_positives,
            "wrongly True": counts.false_positives,
            "rightly False": counts.true_negatives,
            "wrongly False": counts.false_negatives,
        }
        items = [Bar(name=name, value=float(count)) for name, count in found.items()]
        at = f"At a probability of {report.threshold:.4g}."
        yield bars("What it decides", items, axis="rows", caption=at)
    elif report is not None:
        for column, slices in report.slices.items():
            items = [Bar(name=shortened(one.value, 24), value=one.mae) for one in slices]
            yield bars(f"Mean absolute error by {column}", items, axis="error")


def _model(bundle: Bundle) -> Iterator[Picture]:
    if isinstance(bundle.booster, Booster):
        shares = importance(bundle.booster, "gain")
        by_feature = [
            (fact.name, sum(shares.get(column, 0.0) for column in fact.columns))
            for fact in features_of(bundle.spec)
        ]
        ordered = sorted(by_feature, key=lambda item: (-item[1], item[0]))
        items = [Bar(name=shortened(name, 24), value=share) for name, share in ordered[:_TOP]]
        caption = f"Share of the gain of all splits; the first {len(items)} of {len(ordered)}."
        yield bars("Features that count", items, axis="share of gain", caption=caption)
    values = bundle.golden.rows.height and [float(v) for v in _golden_values(bundle)]
    if values and max(values) > min(values):
        low, high = (0.0, 1.0) if bundle.task != "regression" else (min(values), max(values))
        step = (high - low) / _BINS
        counts = [0] * _BINS
        for value in values:
            counts[min(int((value - low) / step), _BINS - 1)] += 1
        yield histogram(
            "What it answers",
            [low + step * place for place in range(_BINS + 1)],
            counts,
            axis="value" if bundle.task == "regression" else "probability",
            caption=f"Of its {len(values):,} golden rows, hard cases among them.",
        )


def _golden_values(bundle: Bundle) -> Iterator[float]:
    values = bundle.golden.values
    yield from (float(value) for value in values if value == value)


def _inputs(bundle: Bundle) -> Iterator[tuple[str, str, str, str]]:
    limits = bundle.limits
    for column in bundle.spec.inputs:
        yield (
            column.name,
            str(column.dtype),
            "yes" if column.nullable else "never",
            _limit(limits, column.name),
        )


def _limit(limits: Limits | None, name: str) -> str:
    found = [one for one in limits.columns if one.column == name] if limits else []
    return shortened(", ".join(str(one) for one in found), 80)
