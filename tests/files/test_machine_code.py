"""Functions in machine code are stored, loaded, and compiled all the same where nothing can be stored."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otx.files import machine_code as module
from otx.files.machine_code import machine_code

SOURCE = """
from numba import prange
from otx.files.machine_code import machine_code

@machine_code("int64(int64)")
def double(x):
    return 2 * x

@machine_code("void(int64[::1])", parallel=True)
def fill(places):
    for i in prange(len(places)):
        places[i] = i
"""


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_code_is_compiled_once_stored_and_compiled_again_when_its_file_changes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "own_code.py"
    path.write_text(SOURCE)
    first = _load(path)
    places = np.zeros(5, np.int64)
    first.fill(places)
    assert first.double(3) == 6 and places.tolist() == [0, 1, 2, 3, 4]
    assert not first.double.stats.cache_hits
    assert sum(_load(path).double.stats.cache_hits.values()) == 1
    path.write_text(SOURCE.replace("2 * x", "3 * x"))
    os.utime(path, (path.stat().st_mtime + 5,) * 2)
    assert _load(path).double(3) == 9


def test_other_types_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "strict_code.py"
    path.write_text(SOURCE)
    with pytest.raises(TypeError, match="No matching definition"):
        _load(path).double("three")


def test_without_a_folder_to_store_machine_code_in_it_is_compiled_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempts = []

    def njit(*signature: str, cache: bool = False, **options: Any) -> Any:
        attempts.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(module, "njit", njit)
    with pytest.warns(RuntimeWarning, match="'len' cannot be stored.*no locator available"):
        assert machine_code("int64(int64)")(len) is len
    assert attempts == [True, False]
