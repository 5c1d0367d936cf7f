"""The error for a library that an extra brings, and that every extra named is one of ours."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

from dagrun.engine.extras import MissingExtra

ROOT = Path(__file__).parents[2]


def test_the_message_says_what_needs_which_library_and_how_to_get_it() -> None:
    error = MissingExtra("httpx", "http", "the source Http")
    assert (error.library, error.extra, error.what) == ("httpx", "http", "the source Http")
    assert str(error) == (
        "the source Http needs httpx, which is not installed. "
        "Install it with: pip install 'dagrun[http]'"
    )


def test_every_extra_that_is_named_in_the_code_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    named = {
        (str(path.relative_to(ROOT)), str(call.args[1].value))
        for folder in ("engine", "stages", "server", "dagrun")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") == "MissingExtra"
        and len(call.args) > 1
        and isinstance(call.args[1], ast.Constant)
    }
    assert {extra for _, extra in named} <= extras, named
