"""What foreign text may do to the screen: nothing."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from rich.text import Text

from otx.cli.console import Screen
from otx.cli.progress import LiveReporter, PlainReporter
from otx.printable import printable

HOSTILE = "[/x] [en] \x1b[31mred\x07 \x9b2J \u202edesrever"


@pytest.mark.parametrize("stream", ["out", "err"])
def test_controls_are_shown_not_obeyed(stream: str, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    (screen.result if stream == "out" else screen.warn)(HOSTILE)
    printed = getattr(capsys.readouterr(), stream)
    assert not set(printed) & set("\x1b\x07\x9b\u202e")
    assert "[/x] [en] \\u001b[31mred" in printed


def test_json_keeps_the_text_and_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().json({HOSTILE: "Ünïcode"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {HOSTILE: "Ünïcode"}
    assert not set(printed) & set("\x1b\x07\x9b\u202e")
    assert "Ünïcode" in printed


@pytest.mark.parametrize("kind", [LiveReporter, PlainReporter])
def test_names_of_plugins_are_text_not_markup(kind: type[PlainReporter]) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=200, color_system=None)
    with kind(console) as reporter:
        reporter.stage(HOSTILE)
        reporter.progress("align", 1, 1, {"loss": 1.0, "a": 1.0, "kl[/x]\x07": 2.0})
    printed = file.getvalue()
    assert "[/x] [en] \\u001b[31mred" in printed
    assert "kl[/x]\\u0007 2" in printed
    assert "\x07" not in printed
    assert "\x9b" not in printed


def test_a_table_keeps_its_colours_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    screen = Screen()
    console = Console(file=file, force_terminal=True, width=80)
    monkeypatch.setattr(Screen, "console", lambda self: console)
    monkeypatch.setattr(Screen, "stdout", property(lambda self: file))
    screen.draw(lambda width: Text(f"bold at {width}", style="bold"))
    assert file.getvalue() == "\x1b[1mbold at 80\x1b[0m\n"


def test_marks_of_direction_that_override_nothing_stay() -> None:
    assert printable("שלום\u200f (abc)") == "שלום\u200f (abc)"
