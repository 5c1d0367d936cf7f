"""The entry point, and the one edge where errors become messages and exit codes.

Exit codes: 0 done; 1 a stage failed, or dagrun itself has a defect; 2 usage, definition or data
given wrongly; 3 halted by a gate; 4 the store cannot be used, or is damaged; 5 a verification
found a difference; 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

import click

import dagrun
from dagrun.cli.lazy import LazyGroup
from dagrun.engine.errors import DagrunError, GateRefused, StoreError
from dagrun.ui.terminal import tell, tell_error

DEFECT, USAGE, HALTED, STORE, INTERRUPTED = 1, 2, 3, 4, 130

_PIPELINE, _HISTORY, _STORE, _MODEL, _SERVER, _SPEC, _BUNDLE, _ENTRANCE, _TRAFFIC = (
    f"dagrun.cli.{name}_commands"
    for name in (
        "pipeline",
        "history",
        "store",
        "model",
        "server",
        "spec",
        "bundle",
        "entrance",
        "traffic",
    )
)
_CONTRACT, _LINEAGE = (f"dagrun.cli.{name}_commands" for name in ("contract", "lineage"))
COMMANDS = {
    "init": f"{_PIPELINE}:init",
    "run": f"{_PIPELINE}:run",
    "plan": f"{_PIPELINE}:plan",
    "why": f"{_PIPELINE}:why",
    "deps": f"{_PIPELINE}:deps",
    "graph": f"{_PIPELINE}:graph",
    "runs": f"{_HISTORY}:runs",
    "show": f"{_HISTORY}:show",
    "checkout": f"{_HISTORY}:checkout",
    "logs": f"{_HISTORY}:logs",
    "lineage": f"{_LINEAGE}:lineage",
    "reproduce": f"{_LINEAGE}:reproduce",
    "diff": f"{_HISTORY}:diff",
    "fsck": f"{_STORE}:fsck",
    "gc": f"{_STORE}:gc",
    "du": f"{_STORE}:du",
    "pin": f"{_STORE}:pin",
    "unpin": f"{_STORE}:unpin",
    "contract": f"{_CONTRACT}:contract",
    "spec": f"{_SPEC}:spec",
    "bundle": f"{_BUNDLE}:bundle",
    "registry": f"{_MODEL}:registry",
    "traffic": f"{_TRAFFIC}:traffic",
    "export": f"{_MODEL}:export",
    "import": f"{_MODEL}:import_",
    "serve": f"{_SERVER}:serve",
    "token": f"{_ENTRANCE}:token",
    "predict": f"{_MODEL}:predict",
    "replay": f"{_MODEL}:replay",
    "explain": f"{_MODEL}:explain",
    "proto": f"{_MODEL}:proto",
    "doctor": f"{_SERVER}:doctor",
    "card": "dagrun.cli.page_commands:card",
    "profile": "dagrun.cli.page_commands:profile",
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: dagrun init DIR\n\n"
    "Exit codes: 0 done, 1 a stage failed, 2 something was given wrongly, 3 halted by a gate, "
    "4 the store cannot be used or is damaged, 5 a verification found a difference, "
    "130 interrupted.",
)
@click.version_option(dagrun.__version__, message="dagrun %(version)s")
def cli() -> None:
    """Turn raw tables into a served model, doing only what is needed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line (default: this process's) and return its exit code."""
    words = tuple(sys.argv[1:] if arguments is None else arguments)
    try:
        return int(cli.main(words, prog_name="dagrun", standalone_mode=False, obj=words) or 0)
    except click.ClickException as error:
        tell_error(error.format_message())
        if isinstance(error, click.UsageError) and error.ctx:
            tell(f"       see: {error.ctx.command_path} --help")
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        tell_error("interrupted")
        return INTERRUPTED
    except DagrunError as error:
        tell_error(str(error))
        if isinstance(error, GateRefused):
            return HALTED
        return STORE if isinstance(error, StoreError) else USAGE
    except OSError as error:
        if error.filename is None:
            return _defect()
        tell_error(f"{error.filename}: {error.strerror}")
        return USAGE
    except Exception:  # noqa: BLE001 - the last edge: nothing may escape without a word
        return _defect()


def _defect() -> int:
    tell(traceback.format_exc().rstrip())
    tell_error("this is a defect of dagrun; please report it with the lines above")
    return DEFECT
