"""Write docs/reference/ from the docstrings and the command line; with --check, compare only.

What is written is what `help()` and `--help` show, page by page, so it cannot say anything else
than the code. Names with a leading underscore and inherited members are left out.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click

import dagrun
from op_page import ops_page

FOLDER = Path(__file__).resolve().parent / "reference"
NOTE = "<!-- Written by `make docs` from the code; edits here are lost. -->"
PAGES = {
    "pipeline": ("Writing a pipeline", ["dagrun"]),
    "features": ("Features", ["dagrun.stages.features"]),
    "stages": (
        "Ready-made stages",
        [
            "dagrun.stages.ingest",
            "dagrun.stages.validate",
            "dagrun.stages.clean",
            "dagrun.stages.split",
            "dagrun.stages.shares",
            "dagrun.stages.apart",
            "dagrun.stages.joining",
            "dagrun.stages.train",
            "dagrun.stages.evaluate",
            "dagrun.stages.monitor",
        ],
    ),
    "proof": ("Proving parity", ["dagrun.stages.proof", "dagrun.stages.proof.strategies"]),
    "bundles": ("Bundles and the registry", ["dagrun.stages.bundle"]),
    "client": ("The client", ["dagrun.server.client"]),
}
WIDTH = 88
COMMANDS = "dagrun.cli.main:cli"


def public_names(module: ModuleType) -> list[str]:
    """Return `__all__`, or what the module itself defines."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isroutine(value))
        and value.__module__ == module.__name__
    )


class Written:
    """An annotation that is shown as it was written, without quotes."""

    def __init__(self, annotation: object) -> None:
        self.text = (
            annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        )

    def __repr__(self) -> str:
        return self.text


def signature(name: str, value: Any) -> str:
    """Write a callable's signature, or all of them where it is overloaded."""
    overloads = typing.get_overloads(value) if inspect.isfunction(value) else []
    return "\n".join(one_signature(name, each) for each in overloads or [value])


def one_signature(name: str, value: Any) -> str:
    """Write one signature, one parameter a line where it is long."""
    try:
        shape = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    empty = inspect.Parameter.empty
    parameters = [
        each if each.annotation is empty else each.replace(annotation=Written(each.annotation))
        for each in shape.parameters.values()
    ]
    shape = shape.replace(parameters=parameters, return_annotation=empty)
    returns = signature_of_return(value)
    text = f"{name}{shape}{returns}"
    if len(text) > WIDTH:
        lines = []
        for number, each in enumerate(parameters):
            starred = (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
            first = not number or parameters[number - 1].kind not in starred
            if each.kind is each.KEYWORD_ONLY and first:
                lines.append("    *,\n")
            lines.append(f"    {each},\n")
        text = f"{name}(\n{''.join(lines)}){returns}"
    text = re.sub(r"(?<=\()self(?:, )?|^    self,\n", "", text, flags=re.M).replace(
        "Ellipsis", "..."
    )
    return re.sub(r"<(?:function )?([\w.]+)[^<>]* at 0x[0-9a-f]+>", r"\1", text)


def signature_of_return(value: Any) -> str:
    """Write ` -> annotation` for what is not a class and says it."""
    returns = inspect.signature(value).return_annotation
    if inspect.isclass(value) or returns is inspect.Signature.empty:
        return ""
    return f" -> {Written(returns)}"


def described(name: str, value: Any, level: int) -> Iterator[str]:
    """Yield the paragraphs for one public name."""
    yield f"{'#' * level} {name}"
    if callable(value):
        yield f"```python\n{signature(name, value)}\n```"
    text = inspect.getdoc(value) if callable(value) or inspect.ismodule(value) else None
    if text:
        yield sections(text)
    if not inspect.isclass(value):
        return
    for member, found in vars(value).items():
        if member.startswith("_") or not getattr(found, "__doc__", None):
            continue
        inner = inspect.unwrap(found.__func__) if isinstance(found, classmethod) else found
        if isinstance(found, property) or type(found).__name__ == "cached_property":
            yield f"**`{name}.{member}`**: {sections(inspect.getdoc(found) or '')}"
        elif inspect.isfunction(inner):
            yield f"```python\n{signature(f'{name}.{member}', getattr(value, member))}\n```"
            yield sections(inspect.getdoc(inner) or "")


def sections(text: str) -> str:
    """Turn the indented blocks of a docstring (Args, Attributes, Raises) into lists."""
    lines: list[str] = []
    block = False
    for line in text.splitlines():
        if re.fullmatch(r"(Args|Attributes|Raises|Returns|Yields):", line):
            lines += [f"*{line}*", ""]
            block = True
        elif block and re.match(r"    \S", line):
            lines.append("- " + re.sub(r"^([\w*, .]+?):", r"`\1`:", line.strip()))
        elif block and line.startswith("     "):
            lines.append("  " + line.strip())
        else:
            block = block and not line.strip()
            lines.append(line)
    return "\n".join(lines)


def module_page(title: str, names: list[str]) -> str:
    """Write the page of some modules."""
    parts = [f"# {title}", NOTE]
    for module_name in names:
        module = importlib.import_module(module_name)
        parts += [f"## `{module_name}`", inspect.getdoc(module) or ""]
        for name in public_names(module):
            parts += described(name, getattr(module, name), level=3)
    return "\n\n".join(parts) + "\n"


def below(error: type[Exception]) -> Iterator[type[Exception]]:
    """Yield an error class and every class derived from it, depth first, by name."""
    yield error
    for derived in sorted(error.__subclasses__(), key=lambda each: each.__name__):
        yield from below(derived)


def error_page() -> str:
    """Write the page of every error that dagrun raises on purpose."""
    for package, names in every_module():
        for name in names:
            importlib.import_module(f"{package}.{name}")
    errors = list(dict.fromkeys(below(dagrun.DagrunError)))
    parts = [
        "# Errors",
        NOTE,
        "Every error derives from `DagrunError`; the classes are in the order of their descent.",
    ]
    for error in errors:
        parents = ", ".join(f"`{each.__name__}`" for each in error.__bases__)
        parts += [f"## {error.__name__}", f"`{error.__module__}`, a kind of {parents}."]
        parts += [f"```python\n{signature(error.__name__, error)}\n```"]
        parts += [sections(inspect.getdoc(error) or "")]
    return "\n\n".join(parts) + "\n"


def every_module() -> Iterator[tuple[str, list[str]]]:
    """Yield each package with the names of its modules, generated ones left out."""
    settings = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text("utf-8"))
    for package in settings["tool"]["setuptools"]["packages"]:
        found = pkgutil.iter_modules(importlib.import_module(package).__path__)
        names = [each.name for each in found if not each.ispkg and each.name != "__main__"]
        yield package, sorted(name for name in names if not name.endswith("_pb2"))


def module_map() -> str:
    """Write one line for every module: the first paragraph of its docstring."""
    parts = ["# Every module and what it is for", NOTE]
    for package, names in every_module():
        parts += [f"## `{package}`", first_line(package)]
        lines = [f"| `{name}` | {first_line(f'{package}.{name}')} |" for name in names]
        parts += ["\n".join(["| module | |", "|---|---|", *lines])] if lines else []
    return "\n\n".join(parts) + "\n"


def first_line(module_name: str) -> str:
    """Return the first paragraph of a module's docstring on one line."""
    text = inspect.getdoc(importlib.import_module(module_name)) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")


def commands(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    """Yield the help of a command and of everything below it."""
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH
    )
    yield f"## {context.command_path}"
    yield f"```text\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None and not found.hidden:
                yield from commands(found, inner, context)


def command_page() -> str:
    """Write the page of the command line."""
    module, _, attribute = COMMANDS.partition(":")
    main = getattr(importlib.import_module(module), attribute)
    return "\n\n".join(["# The command line", NOTE, *commands(main, "dagrun", None)]) + "\n"


def index_page(pages: dict[str, str]) -> str:
    """Write the page that leads to the others, by their titles."""
    lines = [
        f"- [{text.partition(chr(10))[0].removeprefix('# ')}]({name})"
        for name, text in pages.items()
    ]
    return "\n\n".join(["# Reference", NOTE, "\n".join(lines)]) + "\n"


def main() -> int:
    """Write the pages, or with --check return 1 when they differ from the code."""
    pages = {f"{page}.md": module_page(*content) for page, content in PAGES.items()}
    pages |= {"ops.md": ops_page(NOTE, signature)}
    pages |= {"commands.md": command_page(), "errors.md": error_page(), "modules.md": module_map()}
    pages |= {"README.md": index_page(pages)}
    if "--check" not in sys.argv[1:]:
        FOLDER.mkdir(exist_ok=True)
        for name, text in pages.items():
            (FOLDER / name).write_text(text, "utf-8")
        return 0
    present = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.md")}
    for name in sorted({*pages, *present}):
        if pages.get(name) != present.get(name):
            print(f"docs/reference/{name} differs from the code; run: make docs")
    return int(pages != present)


if __name__ == "__main__":
    raise SystemExit(main())
