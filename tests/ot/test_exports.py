"""``otx.ot`` offers what its page says, under one import and without the optional packages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import otx.ot
from otx.ot.solvers.divergence import divergence
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.solvers.unbalanced import unbalanced

PAGE = Path(__file__).parents[2] / "docs" / "transport.md"


def test_every_exported_name_exists_and_has_a_docstring() -> None:
    assert len(set(otx.ot.__all__)) == len(otx.ot.__all__)
    for name in otx.ot.__all__:
        assert getattr(otx.ot, name) is not None
    functions = [name for name in otx.ot.__all__ if name.islower()]
    assert all("Example:" in (getattr(otx.ot, name).__doc__ or "") for name in functions)


def test_a_function_named_like_its_module_is_the_same_from_both_places() -> None:
    assert otx.ot.sinkhorn is sinkhorn
    assert otx.ot.unbalanced is unbalanced
    assert otx.ot.divergence is divergence


def test_numba_triton_and_pot_are_imported_only_when_they_are_used() -> None:
    code = "import sys, otx.ot; print(sorted({'numba', 'triton', 'ot', 'geomloss'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_the_example_of_the_page_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    exec(compile(blocks[0], str(PAGE), "exec"), {})


def test_the_page_names_only_what_is_exported() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## Which solver")[1].split("![")[0]
    names = {name for name in re.findall(r"`([a-z_]\w+)`", table) if name not in ("tau", "otx")}
    assert names <= set(otx.ot.__all__)
