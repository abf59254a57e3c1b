"""The command line: ``python3 MR2USPro COMMAND``, or ``mr2us COMMAND`` once installed.

It reads the words, shows progress and turns the way a command ended into an exit code: 0 done, 2 bad input (one line
says what is wrong and what to do), 130 cancelled, 1 a fault of ours (with its traceback).
"""

from __future__ import annotations

import signal
import sys
import traceback
from typing import Annotated

import typer

from . import __version__
from .command_line import cohort, exam, pair
from .devices import share_cores
from .errors import OUT_OF_MEMORY, Cancelled, InputError

app = typer.Typer(
    name="mr2us",
    help="Prostate MR to transrectal ultrasound: reconstruct, translate, register. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


LEFT = {
    "train": "what was learned up to a minute ago is kept: the same call with --resume goes on",
    "evaluate": "what is finished is kept, and of a training all but the last minute: the same call goes on",
}
"""What a command that was cancelled leaves behind, where that is anything."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"MR2USPro {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say it.")] = False,
) -> None:
    """Hold the options that stand before every command."""


for commands in (exam.app, pair.app, cohort.app):
    app.add_typer(commands)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    share_cores()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a script's background jobs do not hear SIGINT
    try:
        ended = app(arguments, prog_name="mr2us", standalone_mode=False)
    except InputError as error:
        print(f"mr2us: {error}", file=sys.stderr)
        return 2
    except MemoryError:
        print(f"mr2us: {OUT_OF_MEMORY}", file=sys.stderr)
        return 2
    except typer.TyperException as error:
        print(f"mr2us: {error.format_message().rstrip('.')}: see --help.", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Cancelled, typer.Abort):
        return _cancelled(*arguments[:1])
    except Exception:
        traceback.print_exc()
        print("mr2us: this is a fault of the program: please report the lines above.", file=sys.stderr)
        return 1
    # After Ctrl-C typer may hand back its exit code instead of raising.
    return _cancelled(*arguments[:1]) if ended == 130 else 0


def _cancelled(command: str = "") -> int:
    print(f"mr2us: cancelled; {LEFT.get(command, 'nothing of the unfinished stage was kept')}.", file=sys.stderr)
    return 130


def main() -> None:
    """Run the command that the process was started with."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
