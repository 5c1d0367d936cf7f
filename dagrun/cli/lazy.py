"""Commands that are imported when they are used, so that help and errors come at once."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from dagrun.engine.errors import listing, nearest


def carry_out(action: str, options: Mapping[str, Any]) -> int:
    """Import `"module:function"`, call it with a command's options, and return its exit code."""
    return int(_import(action)(**options))


def _import(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


class LazyGroup(click.Group):
    """A group whose commands are `"module:attribute"` names, in the order of its help."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        place = self._lazy.get(cmd_name)
        return _import(place) if place else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name. Raises `click.UsageError`."""
        check_command(ctx, args[0], list(self._lazy))
        return super().resolve_command(ctx, args)


class NamingGroup(click.Group):
    """A group that names the nearest command when it does not know one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name. Raises `click.UsageError`."""
        check_command(ctx, args[0], list(self.commands))
        return super().resolve_command(ctx, args)


def check_command(ctx: click.Context, name: str, known: list[str]) -> None:
    """Raise `click.UsageError` for a command that does not exist, naming those that do."""
    if name not in known:
        raise click.UsageError(
            f"no command named {name!r}.{nearest(name, known)}\n       commands: {listing(known)}",
            ctx,
        )
