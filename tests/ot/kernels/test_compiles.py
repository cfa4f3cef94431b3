"""The kernels compile for a GPU, down to its machine code, on a machine that has none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from otx.ot.kernels import LARGEST_TILE

RESULT = ("value", "f", "g", "error", "mass")
EXACT = ("log_p", "log_q", "slope_a", "slope_b")
SCALARS = ("epsilon", "eps_over_tau_rows", "eps_over_tau_columns", "tolerance")
LENGTHS = ("n", "m", "d", "count", "limit", "width_own", "width_other", "itself")
TYPES = {
    **dict.fromkeys(EXACT, "*fp64"),
    **dict.fromkeys(SCALARS, "fp64"),
    **dict.fromkeys(LENGTHS, "i32"),
    **dict.fromkeys(("a", "b", "gradient"), "*fp32"),
    **dict.fromkeys(("own_log", "other_log"), "*fp64"),
    "steps": "*i64",
    "converged": "*i1",
}
TILES = [(16, 16), (32, 64), (128, 128)]


@pytest.fixture
def machine_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("triton", reason="triton is not installed")
    if os.environ.get("TRITON_INTERPRET") == "1":
        pytest.skip("TRITON_INTERPRET=1 asks for no compiler")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    def build(kernel: Any, types: Any, **constants: Any) -> Any:
        signature = {name: types.get(name, "constexpr") for name in kernel.arg_names}
        named = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
        source = ASTSource(kernel, signature, named)
        warps = min(16, max(1, constants["N"] * constants["M"] // 256))
        target = GPUTarget("cuda", 90, 32)
        return triton.compile(source, target=target, options={"num_warps": warps})

    return build


def _types(points: str, result: str = "fp32") -> dict[str, str]:
    named = dict.fromkeys(("x", "y", "own", "other", "out", "cost"), f"*{points}")
    return TYPES | named | dict.fromkeys(RESULT, f"*{result}")


def _fits(code: Any) -> None:
    assert code.asm["cubin"]
    assert code.metadata.shared < 227 * 1024


@pytest.mark.parametrize("dtype", ["fp32", "fp64"])
@pytest.mark.parametrize("tile", TILES)
def test_costs_given(machine_code: Any, dtype: str, tile: Any) -> None:
    from otx.ot.kernels.entries import pull_to_costs, solve_problems

    n, m = tile
    codes = {"COST": 0, "PROBLEMS": 0, "MAYBE_SYMMETRIC": n == m}
    _fits(machine_code(solve_problems, _types(dtype, dtype), N=n, M=m, **codes))
    _fits(machine_code(pull_to_costs, _types(dtype), N=n, M=m))


# Every cost, every kind of launch and both dtypes of points, once each.
@pytest.mark.parametrize(
    ("tile", "dtype", "cost", "problems"),
    [
        ((128, 128), "fp32", 1, 1),
        ((32, 64), "bf16", 1, 0),
        ((16, 16), "fp32", 2, 2),
        ((64, 64), "bf16", 3, 1),
        ((16, 16), "fp32", 4, 1),
        ((16, 16), "fp32", 5, 0),
    ],
)
def test_costs_computed(machine_code: Any, tile: Any, dtype: str, cost: int, problems: int) -> None:
    from otx.ot.kernels.entries import pull_to_points, solve_problems

    n, m = tile
    codes = {"COST": cost, "PROBLEMS": problems, "MAYBE_SYMMETRIC": problems == 1}
    _fits(machine_code(solve_problems, _types(dtype), N=n, M=m, **codes))
    if problems < 2:
        codes = {"COST": cost, "WITH_SELF": problems == 1}
        _fits(machine_code(pull_to_points, _types(dtype), N=n, M=m, **codes))


def test_the_largest_tile_is_among_them() -> None:
    assert max(n * m for n, m in TILES) == LARGEST_TILE
