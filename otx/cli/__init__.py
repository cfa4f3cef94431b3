"""The command line: one file per command, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import builtins
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Annotated, Any, cast

import typer
from typer.core import TyperArgument
from typer.models import CommandInfo, TyperInfo

from otx import __version__
from otx.cli.console import hush, screen
from otx.cli.flags import example
from otx.cli.processes import record_exit_code
from otx.cli.quick_values import read_quickly
from otx.errors import OTXError
from otx.plugin_host.variables import FILES, ONLY
from otx.printable import quote

COMMANDS = {
    "align": "Align an encoder on parallel sentences.",
    "eval": "Evaluate runs on tasks.",
    "compare": "Compare runs with their baseline.",
    "predict": "Predict lines of text with a trained head.",
    "link": "Write word links of a bitext.",
    "plan": "Show the transport plan of a sentence pair.",
    "show": "Show what a run did, and its results.",
    "list": "List objectives, encoders, corpora, tasks.",
    "doctor": "Check the installation, device and plugins.",
    "corpus": "Describe a bitext, or add wrong pairs.",
    "plugins": "List, disable, enable and check plugins.",
    "config": "Show the settings; write an otx.toml.",
}
"""The commands, in the order of the help, with their lines in it. Each is a module here with ``register(app)``."""

ANYWHERE = ("--no-plugins", "--debug", "--quiet")
"""Flags of otx itself that may follow the command, too."""
PLUGIN = "--plugin"
"""Option of otx itself, with a value, that may follow the command, too."""

COMPLETION = "_OTX_COMPLETE"
"""Environment variable by which a shell asks for completion."""
INTERRUPTED = 130
LONGEST_MESSAGE = 2_000
"""Maximum length of a message in characters. An error of a library or plugin may quote a whole file."""


def main() -> None:
    """Run the command line and exit."""
    # Until a command handles signals to save its work, SIGTERM ends it as Ctrl-C does, with one line.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = run(sys.argv[1:])
    record_exit_code(code)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        arguments: The arguments after ``otx``.

    Returns:
        The exit code; ``otx.errors`` lists the codes.
    """
    before = {name: os.environ.get(name) for name in (ONLY, FILES)}
    try:
        return _run(arguments)
    finally:
        # If this process continues, as in a test or a notebook, the next command has flags of its own.
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _run(arguments: Sequence[str]) -> int:
    try:
        ordered = _globals_first(arguments)
        screen.arguments = ordered
        with screen.command():
            _command(application(_asked_for(ordered)))(ordered, prog_name="otx")
    except SystemExit as end:
        # Typer itself turns Ctrl-C into this exit.
        if end.code == INTERRUPTED:
            return _finish(_report_interrupted())
        return _finish(end.code if isinstance(end.code, int) else int(bool(end.code)))
    except KeyboardInterrupt:
        return _finish(_report_interrupted())
    except OTXError as error:
        return _finish(_report(error.message, error.remedy, error.exit_code))
    except Exception as error:
        return _finish(_report_unexpected(error))
    return _finish(0)


def application(commands: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the typer application. Its help is plain text, because rich would double the time to show it.

    Args:
        commands: Commands to add whole. Of the others it knows the line in the help only.
    """
    app = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(
        epilog=example(
            "otx align --model mini --corpus sample:de --steps 50 --run first",
            "otx eval retrieval --run first",
            "otx compare first",
        )
    )(begin)
    for name in COMMANDS:
        if name in commands:
            import_module(f"otx.cli.{name}").register(app)
        else:
            app.command(name)(_absent)
    registered: list[CommandInfo | TyperInfo] = [*app.registered_commands, *app.registered_groups]
    for info in registered:
        info.short_help = COMMANDS[info.name or cast("Callable[..., None]", info.callback).__name__]
    return app


def _absent() -> None:
    """Stand for a command that is named in the help and not called."""


class _PlainArgument(TyperArgument):
    """An argument that help shows by its name alone: ``RUN``, without braces and Python types."""

    def display_type_rich(self, ctx: Any) -> str | None:
        """Return no type."""
        return None

    def _usage_display_name(self) -> str:
        name = self.display_name_raw if self.nargs == 1 else f"{self.display_name_raw}..."
        return name if self.required else f"[{name}]"


def _command(app: typer.Typer) -> Any:
    """Return the command of an application, whose arguments are shown plainly and read quickly."""
    command = typer.main.get_command(app)
    commands = [command]
    for one in commands:
        commands.extend(getattr(one, "commands", {}).values())
        read_quickly(one)
        for parameter in one.params:
            if isinstance(parameter, TyperArgument):
                parameter.__class__ = _PlainArgument
    return command


def _version(show: bool) -> None:
    if show:
        screen.result(f"otx {__version__}")
        raise typer.Exit()


def begin(
    no_plugins: Annotated[
        bool, typer.Option("--no-plugins", help="Load only the plugins that come with otx.")
    ] = False,
    plugin: Annotated[
        # Once the command is imported, the plain name is its module.
        builtins.list[str] | None,
        typer.Option(
            PLUGIN, metavar="FILE", help="Load a plugin from a .py file; repeat the flag for more."
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no notes and no progress.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Align multilingual encoders, and measure the effect on cross-lingual transfer."""
    screen.debug, screen.quiet = debug, quiet
    if no_plugins:
        # In the environment, so that it applies to processes that this one starts.
        os.environ[ONLY] = ""
    if plugin:
        from otx.plugin_host.plugin_files import set_plugin_files

        set_plugin_files(plugin)


def _asked_for(ordered: Sequence[str]) -> Iterable[str]:
    """Return the one command that is named, so that its start need not wait for the others.

    Shell completion needs all; help and errors that name no command need none.
    """
    rest = ordered[_globals_in(ordered) :]
    first = rest[0] if rest else ""
    if first in COMMANDS:
        return (first,)
    return COMMANDS if COMPLETION in os.environ else ()


def _globals_in(ordered: Sequence[str]) -> int:
    """Return the number of leading arguments that are otx's own."""
    count = 0
    while count < len(ordered) and (width := _global_width(ordered[count])):
        count += width
    return count


def _global_width(argument: str) -> int:
    """Return the number of arguments of a flag of otx itself, including itself; 0 for any other argument."""
    if argument == PLUGIN:
        return 2
    return int(argument in ANYWHERE or argument.startswith(f"{PLUGIN}="))


def _globals_first(arguments: Sequence[str]) -> list[str]:
    """Move the flags of otx itself to the front, from anywhere before ``--``."""
    end = builtins.list(arguments).index("--") if "--" in arguments else len(arguments)
    front: list[str] = []
    others: list[str] = []
    position = 0
    while position < end:
        width = _global_width(arguments[position])
        (front if width else others).extend(arguments[position : min(position + (width or 1), end)])
        position += width or 1
    return [*front, *others, *arguments[end:]]


def _report(message: str, remedy: str | None, code: int) -> int:
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


def _report_interrupted() -> int:
    return _report("interrupted", "run the same command again", INTERRUPTED)


def _report_unexpected(error: Exception) -> int:
    # Plugins may use the real click, of which typer has a copy: its errors are usage errors, too.
    click = sys.modules.get("click")
    if click is not None and isinstance(error, click.ClickException):
        return _report(error.format_message(), None, 2)
    if isinstance(error, OSError):
        return _report(_system_text(error), "run it again with --debug for the traceback", 1)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return _report(text, "this is a bug in otx or in a plugin; --debug shows where it happened", 1)


def _system_text(error: OSError) -> str:
    """Describe an error of the operating system; a very long file name is not quoted in full."""
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
