"""Pictures of a page: charts as inline SVG.

Guarantee: equal numbers give equal SVG, without script, link, font or image from elsewhere; every
picture says in words what it shows, for who does not see it. Where it ends: at most `MOST` rows are
drawn, the caption says of how many.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from zlib import crc32

from dagrun.engine.extras import MissingExtra

MOST = 30
_WIDTH, _ROW = 330, 20
_PADDING = {"left": 12, "right": 8, "top": 4, "bottom": 4}  # browsers have wider fonts
_BLUE, _GREY, _RED = "#1d4ed8", "#6b7280", "#b91c1c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart with its heading and caption; `svg` is markup."""

    title: str
    svg: Any
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One line of a chart: a name and a number, with its interval where there is one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    pale: bool = False


def _altair() -> Any:
    try:
        import altair
        import vl_convert  # noqa: F401 - Altair draws by it
    except ModuleNotFoundError as error:
        raise MissingExtra("altair", "pages", "a page with pictures") from error
    return altair


def bars(
    title: str, items: Sequence[Bar], *, axis: str, caption: str = "", limit: float | None = None
) -> Picture:
    """Return one horizontal bar per item, in their order, with a line at `limit`."""
    alt = _altair()
    shown = items[:MOST]
    marks = alt.Chart(alt.Data(values=[_row(item) for item in shown])).mark_bar(height=12)
    marks = marks.encode(
        y=_names(alt),
        x=alt.X("value:Q", title=axis, axis=_numbers(alt, [one.value for one in shown])),
        color=alt.Color("color:N", scale=None),
    )
    return _picture(title, _with_limit(alt, marks, limit), shown, len(items), caption)


def dots(
    title: str, items: Sequence[Bar], *, axis: str, caption: str = "", limit: float | None = None
) -> Picture:
    """Return one dot per item with its interval as a line, and a line at `limit`."""
    alt = _altair()
    shown = items[:MOST]
    chart = alt.Chart(alt.Data(values=[_row(item) for item in shown]))
    x = alt.X(
        "value:Q",
        title=axis,
        axis=_numbers(alt, [one.value for one in shown]),
        scale=alt.Scale(zero=False),
    )
    color = alt.Color("color:N", scale=None)
    whiskers = chart.mark_rule(strokeWidth=2).encode(
        y=_names(alt), x=alt.X("low:Q", title=axis), x2="high:Q", color=color
    )
    marks = whiskers + chart.mark_circle(size=70, opacity=1).encode(y=_names(alt), x=x, color=color)
    return _picture(title, _with_limit(alt, marks, limit), shown, len(items), caption)


def histogram(
    title: str,
    edges: Sequence[float],
    counts: Sequence[int],
    *,
    axis: str,
    caption: str = "",
    moments: bool = False,
) -> Picture:
    """Return bars between `edges`, one more than `counts`; their heights are counts of rows.

    With `moments` the edges are milliseconds since the epoch, told as UTC.
    """
    alt = _altair()
    rows = [
        {"from": low, "to": high, "rows": count}
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
    x = alt.X("from:Q", bin="binned", title=axis, axis=_numbers(alt, edges))
    if moments:
        x = alt.X("from:T", title=axis, axis=alt.Axis(tickCount=3), scale=alt.Scale(type="utc"))
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(color=_BLUE, binSpacing=1)
        .encode(
            x=x,
            x2="to",
            y=alt.Y("rows:Q", title="rows", axis=_numbers(alt, counts)),
            y2=alt.datum(0),
        )
        .properties(width=_WIDTH - 60, height=150)
    )
    words = f"{sum(counts):,} values from {edges[0]:.4g} to {edges[-1]:.4g}"
    return Picture(title=title, svg=_svg(chart, f"{title}: {words}"), caption=caption)


def calibration(title: str, points: Sequence[tuple[float, float, int]], caption: str) -> Picture:
    """Return observed beside predicted shares, `(predicted, observed, rows)`, and the diagonal."""
    alt = _altair()
    rows = [{"predicted": x, "observed": y, "rows": count} for x, y, count in points]
    scale = alt.Scale(domain=[0, 1])
    diagonal = (
        alt.Chart(alt.Data(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}]))
        .mark_line(color=_GREY, strokeDash=[4, 4])
        .encode(x=alt.X("x:Q", title=""), y=alt.Y("y:Q", title=""))
    )
    marks = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(color=_BLUE, point=alt.OverlayMarkDef(color=_BLUE, size=45))
        .encode(
            x=alt.X("predicted:Q", title="predicted", scale=scale, axis=_numbers(alt, [1.0])),
            y=alt.Y("observed:Q", title="observed", scale=scale, axis=_numbers(alt, [1.0])),
        )
    )
    chart = (diagonal + marks).properties(width=_WIDTH - 60, height=_WIDTH - 60)
    told = ", ".join(f"{x:.2f} predicted and {y:.2f} observed" for x, y, _ in points)
    return Picture(title=title, svg=_svg(chart, f"{title}: {told}"), caption=caption)


def _row(item: Bar) -> dict[str, Any]:
    return {
        "name": item.name,
        "value": item.value,
        "low": item.value if item.low is None else item.low,
        "high": item.value if item.high is None else item.high,
        "color": _GREY if item.pale else _BLUE,
    }


def _names(alt: Any) -> Any:
    return alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=150, ticks=False))


def _numbers(alt: Any, values: Sequence[float]) -> Any:
    """Return the axis of these numbers: a year is written out, a million is 1M."""
    greatest = max(map(abs, values), default=0.0)
    return alt.Axis(tickCount=3, labelFlush=True, format="~s" if greatest >= 1e5 else ".6~g")


def _with_limit(alt: Any, marks: Any, limit: float | None) -> Any:
    if limit is not None:
        line = alt.Chart(alt.Data(values=[{"limit": limit}]))
        marks = marks + line.mark_rule(color=_RED, strokeDash=[4, 3], strokeWidth=2).encode(
            x="limit:Q"
        )
    return marks.properties(width=_WIDTH - 150, height=alt.Step(_ROW))


def _picture(title: str, chart: Any, shown: Sequence[Bar], total: int, caption: str) -> Picture:
    told = ", ".join(f"{item.name} {item.value:.4g}" for item in shown)
    if total > len(shown):
        caption = f"{caption} The first {len(shown)} of {total:,}.".strip()
    return Picture(title=title, svg=_svg(chart, f"{title}: {told}"), caption=caption)


def _svg(chart: Any, words: str) -> Any:
    """Return the chart as markup of its own: its ids are no other chart's."""
    import vl_convert
    from markupsafe import Markup

    drawn = (
        chart.configure(font="sans-serif", background="transparent", padding=_PADDING)
        .configure_axis(
            labelFontSize=13,
            titleFontSize=13,
            titleFontWeight="normal",
            labelColor="#111827",
            titleColor="#4b5563",
            gridColor="#e5e7eb",
            domainColor="#9ca3af",
            tickColor="#9ca3af",
        )
        .configure_view(stroke=None)
    )
    text: str = vl_convert.vegalite_to_svg(drawn.to_dict())
    own = f"p{crc32(words.encode()):x}"
    text = re.sub(r'(\bid="|url\(#)', rf"\g<1>{own}", text)
    start = f'<svg role="img" aria-label="{escape(words, quote=True)}" '
    return Markup(start + text.split("<svg", 1)[1].lstrip())
