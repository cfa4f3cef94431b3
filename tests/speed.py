"""Which tests are slow, and which run in `make test-all` only: one table, by the beginning of a test's id.

A test function may also carry ``@pytest.mark.slow`` itself. Times are seconds of CPU on one core.
"""

from __future__ import annotations

import re

import pytest

SLOW = (
    r"tests/alignment/test_(align|link|model_selection|resume|training_links)\.py",  # 110: alignments
    r"tests/evaluation/test_(evaluate|predict|suites|waste|features)\.py",  # 85: fine-tunings
    r"tests/mission/",  # 55: commands as processes
    r"tests/scripts/laboratory/test_(cell|command|running|sharing)\.py",  # 45: cells of a study
    r"tests/ot/kernels/",  # 40: an interpreter and a compiler
    r"tests/plugins/otx_encoders/e5_small/",  # 30: a packed model
    r"tests/ot/solvers/test_(divergence|sinkhorn|tiled)\.py",  # 50: random problems against an oracle
    r"tests/cli/test_(startup|errors)\.py",  # 25: commands as processes
    r"tests/test_doctests\.py",
    r"tests/test_conftest\.py",
)
"""Tests that `make test-fast` leaves out."""

EXTRA = (
    r"tests/faults/",  # 56: nine faults of a plugin, three commands each, as processes
    r"tests/ot/kernels/test_compiles\.py.*tile[01]",  # 14: the largest tile is the demanding one
    r"tests/ot/kernels/test_on_chip\.py.*equal_pot_and_each.*\[300\.0\]",  # 20: the interpreter, 1e5 sweeps
    r"tests/scripts/laboratory/test_command\.py.*processes",  # 33: a cell in three processes
)
"""Tests that only `make test-all` runs."""


def mark(item: pytest.Item) -> None:
    """Mark a test by the two tables; what is extra is slow, too.

    Args:
        item: The test.
    """
    if any(re.match(pattern, item.nodeid) for pattern in EXTRA):
        item.add_marker(pytest.mark.extra)
        item.add_marker(pytest.mark.slow)
    elif any(re.match(pattern, item.nodeid) for pattern in SLOW):
        item.add_marker(pytest.mark.slow)
