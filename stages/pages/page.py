"""A page: one HTML file that holds everything it shows.

Guarantee: a page has no script and asks for nothing from elsewhere, which its own content security
policy forbids a browser, too; text from data is escaped; equal values give equal bytes. It fits a
phone of 320 pixels and a sheet of paper. Where it ends: many rows are cut by whoever makes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dagrun.engine.extras import MissingExtra

_STYLE = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:1160px;padding:24px 20px 48px;color:#111827;background:#fff;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
h1{font-size:28px;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:20px;margin:36px 0 10px;padding-top:14px;border-top:1px solid #d1d5db}
h3{font-size:16px;margin:0 0 6px;overflow-wrap:anywhere}
p{margin:6px 0;max-width:72ch}.quiet{color:#4b5563}
.pill{display:inline-block;padding:1px 10px;border-radius:99px;font-weight:600;font-size:14px;
vertical-align:middle;white-space:nowrap}
.good{color:#14532d;background:#dcfce7}.bad{color:#7f1d1d;background:#fee2e2}
.plain{color:#1f2937;background:#e5e7eb}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,220px),1fr));gap:10px 24px;
margin:14px 0}
dt{font-size:14px;color:#4b5563}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;vertical-align:top;padding:5px 14px 5px 0;border-bottom:1px solid #e5e7eb}
th{color:#4b5563;font-weight:600;white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));
gap:26px 30px;margin-top:10px}
figure{margin:0;min-width:0}figcaption{font-size:14px;color:#4b5563;margin-top:4px}
svg{display:block;max-width:100%;height:auto;overflow:visible}
td code{white-space:nowrap}
@media print{body{padding:0}h2{break-after:avoid}figure,tr{break-inside:avoid}}
"""

_LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
{% block body required %}{% endblock %}
</body>
</html>
"""

PARTS = """
{% macro facts(pairs) %}<dl>{% for name, value in pairs if value not in (none, '') %}
<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}</dl>{% endmacro %}

{% macro table(heads, rows, numbers=()) %}<div class="wide" tabindex="0"><table><thead><tr>
{% for head in heads %}<th{% if loop.index0 in numbers %} class="n"{% endif %}>{{ head }}</th>
{% endfor %}</tr></thead><tbody>{% for row in rows %}<tr>{% for cell in row %}
<td{% if loop.index0 in numbers %} class="n"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% endmacro %}

{% macro pictures(figures) %}<div class="pictures">{% for figure in figures %}<figure>
<h3>{{ figure.title }}</h3>{{ figure.svg }}<figcaption>{{ figure.caption }}</figcaption></figure>
{% endfor %}</div>{% endmacro %}

{% macro pill(kind, text) %}<span class="pill {{ kind }}">{{ text }}</span>{% endmacro %}
"""
"""Macros that the templates of pages begin with."""


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return the page of a template that extends `page`. Raises `MissingExtra` without Jinja."""
    try:
        import jinja2
        from markupsafe import Markup
    except ModuleNotFoundError as error:
        raise MissingExtra("jinja2", "pages", "a page") from error
    sources = {"page": _LAYOUT, "parts": PARTS, "body": template}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(sources),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    return environment.get_template("body").render(style=Markup(_STYLE), **values) + "\n"


def figure(value: float | None) -> str:
    """Return a number as people read it, in six digits; nothing for None."""
    if value is None:
        return ""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}" if abs(value) >= 1e5 else f"{int(value)}"  # years, zip codes
    return f"{value:,.6g}" if 1e-4 <= abs(value) < 1e6 else f"{value:,.4g}"


def shortened(text: str, most: int = 40) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"
