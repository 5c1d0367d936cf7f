"""Examples of the ops that clean numbers and strings, and of those with tables of one's own."""

from __future__ import annotations

from op_example import GAPPY, NAN, NUMBERS, UNSEEN, WORDS, Example

CLEANING: tuple[Example, ...] = (
    Example(
        constructor="clip_z",
        ops=("clip_z",),
        call='clip_z("x", factor=1)',
        train=NUMBERS,
        rows=GAPPY,
        gaps="Null stays null; NaN is null; infinities are held within the bounds.",
    ),
    Example(
        constructor="yeo_johnson",
        ops=("yeo_johnson",),
        call='yeo_johnson("x")',
        train=NUMBERS,
        rows=GAPPY,
    ),
    Example(
        constructor="null_if",
        ops=("null_if",),
        call='null_if("x", values=-999), missing_flag(null_if("s", values=("", "n/a")))',
        train={"x": [1.0], "s": ["a"]},
        rows={"x": [2.5, -999.0, NAN], "s": ["a", "n/a", ""]},
    ),
    Example(
        constructor="map_values",
        ops=("map_text", "map_number"),
        call='one_hot(map_values("s", values={"A": "a"})), '
        'map_values("g", values={"low": 1, "high": 2})',
        train={"s": ["a", "A", "b"], "g": ["low", "high", "low"]},
        rows={"s": ["A", "b", "c", None], "g": ["high", "low", "none", None]},
        gaps="Null stays null. What the table lacks stays as it is where it gives strings, and is "
        "null where it gives numbers.",
    ),
    Example(
        constructor="rare_group",
        ops=("rare_group",),
        call='one_hot(rare_group("s", rare_below=2))',
        train=WORDS,
        rows=UNSEEN,
        gaps="Null stays null; unseen values are `other`.",
    ),
    Example(
        constructor="norm_text",
        ops=("norm_text",),
        call='one_hot(norm_text("s", strip_accents=True))',
        train={"s": ["new york", "köln"]},
        rows={"s": [" New  York", "KÖLN", "Cologne", None]},
        gaps="Null stays null; white space alone is the empty string.",
    ),
    Example(
        constructor="parse_number",
        ops=("parse_number",),
        call='parse_number("s", thousands=",", units={"km": 1000, "m": 1})',
        train={"s": ["1 m"]},
        rows={"s": ["1,234.5 m", "3.2 km", "-5m", "12,34 m", "far", None]},
        gaps="Null stays null; what does not read is null.",
    ),
    Example(
        constructor="parse_date",
        ops=("parse_date",),
        call='date_parts(parse_date("s", format=("%Y-%m-%d", "%d.%m.%Y")), parts=("month", "day"))',
        train={"s": ["2013-01-31"]},
        rows={"s": ["2013-01-31", "1.2.2013", "2013-02-30", "soon", None]},
        gaps="Null stays null; what does not read, and a day that does not exist, is null.",
    ),
    Example(
        constructor="parse_datetime",
        ops=("parse_datetime",),
        call='date_parts(parse_datetime("s", format="%Y-%m-%d %H:%M %z"), parts="hour", tz="UTC")',
        train={"s": ["2013-01-31 06:30 +0100"]},
        rows={"s": ["2013-01-31 06:30 +0100", "2013-01-31 06:30 Z", "2013-01-31", None]},
        gaps="Null stays null; what does not read, and a moment that does not exist, is null.",
    ),
    Example(
        constructor="hash_bucket",
        ops=("hash_bucket",),
        call='cast(hash_bucket("s", buckets=8))',
        train=WORDS,
        rows=UNSEEN,
        gaps="Null stays null; unseen values have their bucket like all others.",
    ),
    Example(
        constructor="lookup",
        ops=("lookup",),
        call='lookup("s", table=sizes, value="size", default=0)',
        table={"sizes": {"s": ["a", "b"], "size": [1.5, None]}},
        train=WORDS,
        rows=UNSEEN,
        gaps="Null in the key stays null, as does what is null in the table; keys that the table "
        "lacks get `default`, null without one.",
    ),
    Example(
        constructor="embed_lookup",
        ops=("embed_lookup", "elements"),
        call='embed_lookup("s", table=vectors, key="s", vector="v", dimensions=2)',
        table={"vectors": {"s": ["a", "b"], "v": [[0.5, 1.0], [-1.0, 2.0]]}},
        train=WORDS,
        rows=UNSEEN,
        gaps='Null stays null; keys that the table lacks get zeros, or null by `unseen="null"`.',
    ),
    Example(
        constructor="tokens",
        ops=("tokens", "hashed_tokens", "counts"),
        call='tokens("s", vocabulary=2), tokens("s", hashing=3, name="{}_hashed")',
        train={"s": ["the cat", "the dog, the cat"]},
        rows={"s": ["The CAT and the dog", "mouse", "", None]},
        gaps="Null stays null; a text without words, or with unseen ones only, has zeros.",
    ),
)
