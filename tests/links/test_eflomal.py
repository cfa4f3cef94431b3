"""eflomal is asked rightly and answered to; the program itself is a stand-in that links by place."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from otx.errors import DataError, UsageError
from otx.links.eflomal import COMMAND, align_words
from otx.links.pharaoh import read_links

STAND_IN = """#!{python}
import argparse
parser = argparse.ArgumentParser()
for name in ("source", "target", "forward-links", "reverse-links"):
    parser.add_argument("--" + name, required=True)
parser.add_argument("--model", type=int, required=True)
parser.add_argument("--overwrite", action="store_true")
args = parser.parse_args()
rows = list(zip(open(args.source), open(args.target), strict=True))
with open(args.forward_links, "w") as forward, open(args.reverse_links, "w") as reverse:
    for source, target in rows:
        n, m = len(source.split()), len(target.split())
        forward.write(" ".join(f"{{i}}-{{min(i, m - 1)}}" for i in range(n)) + "\\n")
        reverse.write(" ".join(f"{{min(j, n - 1)}}-{{j}}" for j in range(m)) + "\\n")
"""


def install(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    program = folder / COMMAND
    program.write_text(text.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_links_are_symmetrised_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "bin", STAND_IN, monkeypatch)
    pairs = [(["a", "b"], ["x", "y"]), (["a"], ["x", "y"]), (["a", "b", "c"], ["x"])]
    path = align_words(pairs, tmp_path)
    assert read_links(path) == [{(0, 0), (1, 1)}, {(0, 0), (0, 1)}, {(0, 0), (1, 0), (2, 0)}]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bin", "links"]


def test_where_it_is_not_installed_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="eflomal-align is not on the PATH") as refused:
        align_words([(["a"], ["x"])], tmp_path)
    assert refused.value.remedy == 'pip install "otx[eflomal]"'


def test_where_it_fails_its_own_words_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "#!{python}\nimport sys\nprint('no memory left', file=sys.stderr)\nsys.exit(3)\n"
    install(tmp_path / "bin", text, monkeypatch)
    with pytest.raises(DataError, match="failed with exit code 3: no memory left"):
        align_words([(["a"], ["x"])], tmp_path)
