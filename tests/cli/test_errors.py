"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import click
import pytest
import typer

import otx.cli
from otx.cli.console import screen
from otx.errors import DataError, Interrupted, OTXError, PluginError, UsageError

Run = Callable[..., CompletedProcess[str]]
COMMAND = [sys.executable, "-c", "from otx.cli import main; main()"]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[BaseException], None]]:
    """Make the command line have one command, ``fail``, which raises what it is given."""

    def install(error: BaseException) -> None:
        def fail() -> None:
            raise error

        def application(commands: object) -> typer.Typer:
            app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
            app.callback()(otx.cli.begin)
            app.command()(fail)
            return app

        monkeypatch.setattr(otx.cli, "application", application)

    yield install
    screen.debug = screen.quiet = False


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OTXError("it broke", "mend it"), 1, "error: it broke\nhint: mend it\n"),
        (OTXError("it broke"), 1, "error: it broke\n"),
        (UsageError("no such name"), 2, "error: no such name\n"),
        (DataError("line 3 is bad"), 3, "error: line 3 is bad\n"),
        (PluginError("the plugin broke"), 4, "error: the plugin broke\n"),
        (Interrupted("stopped", "go on"), 5, "error: stopped\nhint: go on\n"),
        (click.BadParameter("not a number"), 2, "error: Invalid value: not a number\n"),
        (DataError("\x1b[31mred\x07"), 3, "error: \\u001b[31mred\\u0007\n"),
        (
            KeyboardInterrupt(),
            130,
            "error: interrupted\nhint: run the same command again\n",
        ),
        (SystemExit(7), 7, ""),
    ],
)
def test_each_error_has_its_message_and_its_code(
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    failing(error)
    assert otx.cli.run(["fail"]) == code
    assert capsys.readouterr() == ("", said)


def test_an_unexpected_error_is_one_line_and_a_hint(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(KeyError("x"))
    assert otx.cli.run(["fail"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: KeyError: 'x'\nhint: ") and "--debug" in err
    assert "Traceback" not in err


def test_an_error_that_quotes_a_whole_file_is_cut(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ValueError("x" * 300_000))
    assert otx.cli.run(["fail"]) == 1
    err = capsys.readouterr().err
    assert len(err) < 2_200 and "... (300,012 characters)\n" in err


def test_a_file_that_cannot_be_opened_is_named(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(PermissionError(13, "Permission denied", "secret.txt"))
    assert otx.cli.run(["fail"]) == 1
    assert "secret.txt" in capsys.readouterr().err.splitlines()[0]


@pytest.mark.parametrize("arguments", [["--debug", "fail"], ["fail", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    failing(DataError("line 3 is bad"))
    assert otx.cli.run(arguments) == 3
    err = capsys.readouterr().err
    assert err.startswith("Traceback") and err.endswith("error: line 3 is bad\n")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["lst"], "Did you mean 'list'?"),
        (["list", "objectives", "--jsn"], "--json"),
        (["list"], "Missing argument"),
        (["align", "--steps", "many"], "'--steps'"),
    ],
)
def test_a_slip_of_the_fingers_is_answered_with_exit_2_and_a_way_out(
    otx: Run, arguments: list[str], part: str
) -> None:
    done = otx(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert part in done.stderr and "Traceback" not in done.stderr


ERRORS = Path(__file__).parents[1] / "golden/errors.txt"
FILES = {
    "unequal.en": "one\ntwo\n",
    "unequal.de": "eins\n",
    "small.en": "one two\nthree four\n",
    "small.de": "eins zwei\ndrei vier\n",
    "gold/ende.gold": "1 1 1\n2 3 1 S\n",
    "gold/ende.src-tgt": "one two ||| eins zwei\nthree four ||| drei vier\n",
    "links": "0-0\n1-7\n",
    "nli/train-en.tsv": "a\tb\tentailment\n" * 4,
    "nli/test-en.tsv": "a\tb\tcontradictory\n",
    "bad/otx.toml": "[optimizer]\nlr = 1\nlrr = 1\n",
    "broken/otx.toml": "[align\nlr = 1\n",
}


def blocks() -> list[tuple[str, str]]:
    """The commands of the golden file (``$ [cd FOLDER && ]otx ...``) and what each prints, exit code last."""
    return [
        (command, said) for block in ERRORS.read_text(encoding="utf-8").split("\n$ ")
        for command, _, said in [block.removeprefix("$ ").rstrip("\n").partition("\n")]
    ]  # fmt: skip


@pytest.mark.parametrize(("command", "said"), blocks(), ids=[command for command, _ in blocks()])
def test_errors_are_as_in_the_golden_file(
    command: str,
    said: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    place, _, line = command.rpartition(" && ")
    monkeypatch.chdir(tmp_path / place.removeprefix("cd "))
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    code = otx.cli.run(["--quiet", *line.split()[1:]])
    out, err = capfd.readouterr()
    assert out == "" and f"{err}exit {code}" == said


def test_an_interrupt_is_130(tmp_path: Path) -> None:
    code = (
        "import os, signal, time, otx.cli.list as module\n"
        # A job in the background of a shell begins with SIGINT ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "module.load_settings = lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(30))\n"
        "from otx.cli import main; main.__globals__['sys'].argv[1:] = ['list', 'objectives']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130 and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_an_early_signal_ends_a_command_with_a_line(tmp_path: Path, name: str) -> None:
    code = (
        "import os, signal, time, otx.cli.eval as module\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"module.open_project = lambda *_: (os.kill(os.getpid(), signal.{name}), time.sleep(30))\n"
        "from otx.cli import main; main.__globals__['sys'].argv[1:] = ['eval', 'xnli']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130 and done.stderr.startswith("error: interrupted\n")


@pytest.mark.parametrize("command", ["list objectives --json", "--help", "list x"])
@pytest.mark.parametrize("redirected", ["2>&1 | true", ">&- 2>&-"])
def test_nobody_reading_on_is_no_error(tmp_path: Path, command: str, redirected: str) -> None:
    # The first process waits until the reader has gone.
    line = f"(sleep 0.3; exec {sys.executable} -c 'from otx.cli import main; main()' {command}) {redirected}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    "environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"COLUMNS": "20"}, {"LC_ALL": "C"}]
)
def test_no_terminal_gets_no_escape_codes(otx: Run, environment: dict[str, str]) -> None:
    for arguments in (("list", "objectives"), ("lst",)):
        done = otx(*arguments, **environment)
        assert "\x1b" not in done.stdout + done.stderr
        assert done.returncode == (2 if arguments == ("lst",) else 0)


def test_a_folder_with_an_odd_name_is_like_any_other(otx: Run, tmp_path: Path) -> None:
    folder = tmp_path / "Über uns 中文 [x]"
    folder.mkdir()
    assert otx("config", "init", cwd=folder).returncode == 0
    shown = otx("config", "show", "--origin", cwd=folder)
    assert shown.returncode == 0 and "optimizer.lr" in shown.stdout
    (folder / "otx.toml").write_text("[optimizer]\nlrr = 1\n")
    refused = otx("config", "show", cwd=folder)
    assert (
        refused.returncode == 2 and "otx.toml:2: unknown setting 'optimizer.lrr'" in refused.stderr
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(otx: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = otx("config", "init")
    tmp_path.chmod(0o700)
    assert done.returncode == 1 and done.stderr.startswith("error: otx.toml cannot be written")


def test_the_clock_may_run_backwards(otx: Run, tmp_path: Path) -> None:
    assert otx("config", "init").returncode == 0
    os.utime(tmp_path / "otx.toml", (4e9, 4e9))
    assert otx("config", "show").returncode == 0
