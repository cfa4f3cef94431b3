"""A process in which Triton's kernels are interpreted: it decides so once, when it is first imported."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest


@pytest.fixture(scope="session")
def interpreted() -> Iterator[Callable[..., Any]]:
    """Calls a function of ours, by its arguments, where kernels run on the CPU."""
    pytest.importorskip("triton", reason="triton is not installed")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRITON_INTERPRET", "1")
            assert pool.submit(os.getenv, "TRITON_INTERPRET").result() == "1"

        def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
            return pool.submit(function, *arguments, **options).result()

        yield call
