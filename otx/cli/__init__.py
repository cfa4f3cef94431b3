"""The command line: one file a command, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import builtins
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from otx import __version__
from otx.cli.console import hush, screen
from otx.errors import OTXError
from otx.plugin_host.host import ONLY
from otx.plugin_host.plugin_files import VARIABLE, set_plugin_files
from otx.printable import quote

COMMANDS = (
    "align",
    "eval",
    "compare",
    "predict",
    "link",
    "plan",
    "show",
    "corpus",
    "list",
    "plugins",
    "config",
    "doctor",
)
"""The modules of this package that hold commands, in the order of the help; each has ``register(app)``."""

ANYWHERE = ("--no-plugins", "--debug", "--quiet")
"""Flags of otx itself that may stand behind the command too."""
PLUGIN = "--plugin"
"""An option of otx itself that may stand behind the command too, and is followed by a value."""

INTERRUPTED = 130
LONGEST_MESSAGE = 2_000
"""In characters. A message quotes little of a file, but an error of a library or plugin may quote all of it."""


def main() -> None:
    """Run the command line and exit."""
    # Until a command takes signals over to save its work, SIGTERM ends it as Ctrl-C does: with a line.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code: see ``otx.errors`` for what each means."""
    before = {name: os.environ.get(name) for name in (ONLY, VARIABLE)}
    try:
        return _run(arguments)
    finally:
        # Where this process goes on, as in a test or a notebook, the next command has flags of its own.
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _run(arguments: Sequence[str]) -> int:
    try:
        ordered = _globals_first(arguments)
        with screen.command():
            application(_asked_for(ordered))(ordered, prog_name="otx")
    except SystemExit as end:
        # Typer turns Ctrl-C into this exit by itself.
        if end.code == INTERRUPTED:
            return _finish(_tell_interrupted())
        return _finish(end.code if isinstance(end.code, int) else int(bool(end.code)))
    except KeyboardInterrupt:
        return _finish(_tell_interrupted())
    except OTXError as error:
        return _finish(_tell(error.message, error.remedy, error.exit_code))
    except Exception as error:
        return _finish(_tell_unexpected(error))
    return _finish(0)


def application(commands: Sequence[str] = COMMANDS) -> typer.Typer:
    """The typer application. Its help is plain text: rich would double the time to show it."""
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(begin)
    for name in commands:
        import_module(f"otx.cli.{name}").register(app)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        screen.result(f"otx {__version__}")
        raise typer.Exit()


def begin(
    no_plugins: Annotated[
        bool, typer.Option("--no-plugins", help="Load only the plugins that come with otx.")
    ] = False,
    plugin: Annotated[
        # The plain name is the module of the command, once that is imported.
        builtins.list[str] | None,
        typer.Option(PLUGIN, metavar="FILE", help="Load a plugin from a .py file; again for more."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No notes and no progress.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Align multilingual encoders, and measure what that did to cross-lingual transfer."""
    screen.debug, screen.quiet = debug, quiet
    if no_plugins:
        # In the environment, so that it holds in processes that this one starts.
        os.environ[ONLY] = ""
    if plugin:
        set_plugin_files(plugin)


def _asked_for(ordered: Sequence[str]) -> Sequence[str]:
    """The one command that is named, so that a quick one need not wait for the others; else all."""
    behind = ordered[_globals_in(ordered) :]
    first = behind[0] if behind else ""
    return (first,) if first in COMMANDS else COMMANDS


def _globals_in(ordered: Sequence[str]) -> int:
    """Count the arguments in front that are otx's own."""
    count = 0
    while count < len(ordered) and (width := _global_width(ordered[count])):
        count += width
    return count


def _global_width(argument: str) -> int:
    """Return how many arguments a flag of otx itself takes, with itself; 0 for any other argument."""
    if argument == PLUGIN:
        return 2
    return int(argument in ANYWHERE or argument.startswith(f"{PLUGIN}="))


def _globals_first(arguments: Sequence[str]) -> list[str]:
    """Put the flags of otx itself in front, wherever before ``--`` they stand."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    front: list[str] = []
    others: list[str] = []
    position = 0
    while position < end:
        width = _global_width(arguments[position])
        (front if width else others).extend(arguments[position : min(position + (width or 1), end)])
        position += width or 1
    return [*front, *others, *arguments[end:]]


def _tell(message: str, remedy: str | None, code: int) -> int:
    if screen.debug:
        import traceback

        screen.warn(traceback.format_exc().rstrip())
    screen.warn(f"error: {_cut(message)}")
    if remedy is not None:
        screen.warn(f"hint: {_cut(remedy)}")
    return code


def _cut(text: str) -> str:
    if len(text) <= LONGEST_MESSAGE:
        return text
    return f"{text[:LONGEST_MESSAGE]}... ({len(text):,} characters)"


def _tell_interrupted() -> int:
    return _tell("interrupted", "run the same command again", INTERRUPTED)


def _tell_unexpected(error: Exception) -> int:
    # Plugins may use the click that typer does not: its errors are usage errors all the same.
    click = sys.modules.get("click")
    if click is not None and isinstance(error, click.ClickException):
        return _tell(error.format_message(), None, 2)
    if isinstance(error, OSError):
        return _tell(_system_text(error), "run it again with --debug for the whole story", 1)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return _tell(text, "this is a bug, here or in a plugin; --debug shows where it happened", 1)


def _system_text(error: OSError) -> str:
    """Describe an error of the system: a name that is too long for it is not quoted in full."""
    if error.strerror is None or error.filename is None:
        return str(error)
    return f"{error.strerror}: {quote(str(error.filename))}"


def _finish(code: int) -> int:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except BrokenPipeError:
                hush(stream)
    return code
