"""The profile of a table as a page: each column's values, what is missing, what a contract says.

Guarantee: numbers are those of `dagrun.stages.pages.columns`, findings those of the contract's
check. Where it ends: a page tells a table's columns one by one, not how they go together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from dagrun.stages.pages.columns import ColumnProfile, profile_columns
from dagrun.stages.pages.page import figure, render, shortened
from dagrun.stages.pages.picture import Bar, Picture, bars, histogram
from dagrun.stages.validate.finding import Finding

_BODY = """{% extends "page" %}{% from "parts" import facts, table, pictures, pill %}
{% block body %}
<h1>{{ title }}{% if status %} {{ pill(status[0], status[1]) }}{% endif %}</h1>
<p class="quiet">Data profile: {{ rows | figure }} rows, {{ columns | length }} columns.</p>
{% if findings %}<h2>What the contract finds</h2>
{{ table(("severity", "column", "rule", "expected", "found", "rows", "such as"), findings, (5,)) }}
{% elif findings is not none %}<h2>What the contract finds</h2><p>Nothing: every rule is kept.</p>
{% endif %}
<h2>Columns</h2>
{{ table(("column", "type", "missing", "different", "least", "median", "mean", "greatest"), columns,
(2, 3, 4, 5, 6, 7)) }}
{% if missing %}<h2>What is missing</h2>{{ pictures(missing) }}{% endif %}
{% if spreads %}<h2>How it is spread</h2>{{ pictures(spreads) }}{% endif %}
{% endblock %}
"""


def profile_page(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    title: str = "table",
    findings: Sequence[Finding] | None = None,
) -> str:
    """Return the profile of a table, one HTML page.

    Args:
        frame: the table; a lazy one is never held whole.
        title: its name.
        findings: what a contract's check found; None when there was no check, empty when it found
            nothing.

    Raises `MissingExtra` without the extra `pages`.
    """
    profiles = profile_columns(frame)
    incomplete = [
        Bar(name=shortened(one.name, 24), value=(one.missing + one.nans) / one.rows)
        for one in sorted(profiles, key=lambda one: -one.missing - one.nans)
        if one.missing + one.nans
    ]
    share = "share of rows"
    fields = {
        "title": title,
        "status": _status(findings),
        "rows": profiles[0].rows if profiles else 0,
        "findings": None if findings is None else [_finding(one) for one in findings],
        "columns": [_line(one) for one in profiles],
        "missing": [bars("Missing values", incomplete, axis=share)] if incomplete else [],
        "spreads": [picture for one in profiles for picture in _pictures(one)],
    }
    return render(_BODY, fields)


def _status(findings: Sequence[Finding] | None) -> tuple[str, str] | None:
    if findings is None:
        return None
    if not findings:
        return "good", "keeps its contract"
    return "bad", f"{len(findings)} finding{'s' * (len(findings) != 1)}"


def _finding(found: Finding) -> tuple[str, ...]:
    such = ", ".join(f"{value!r} in row {row}" for row, value in found.examples[:3])
    return (
        found.severity,
        found.column,
        found.rule,
        found.expected,
        found.actual,
        f"{found.count:,}" if found.count else "",
        such,
    )


def _line(one: ColumnProfile) -> tuple[str, ...]:
    missing = one.missing + one.nans
    share = f"{100 * missing / one.rows:.3g} %" if missing and one.rows else ""
    facts = one.facts
    return (
        one.name,
        one.dtype,
        share,
        "" if one.distinct is None else f"{one.distinct:,}",
        *(
            _told(value)
            for value in (
                facts.get("least", facts.get("from")),
                facts.get("median"),
                facts.get("mean"),
                facts.get("greatest", facts.get("to")),
            )
        ),
    )


def _told(value: object) -> str:
    return figure(value) if isinstance(value, int | float) else str(value or "")


def _pictures(one: ColumnProfile) -> Iterator[Picture]:
    if one.counts:
        yield histogram(
            one.name, one.edges, one.counts, axis=shortened(one.name), moments=one.kind == "moment"
        )
    elif one.top:
        items = [Bar(name=shortened(value or "(empty)", 24), value=rows) for value, rows in one.top]
        more = (one.distinct or 0) - len(items)
        caption = f"And {more:,} other values." if more > 0 else ""
        yield bars(one.name, items, axis="rows", caption=caption)
