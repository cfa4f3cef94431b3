"""The kernels compile for a GPU, down to its machine code, on a machine that has none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from otx.ot.kernels import LARGEST_TILE

FLOATS = dict.fromkeys(("u", "v", "error"), "*fp32") | {"steps": "*i32"}
LENGTHS = dict.fromkeys(("n", "m", "d", "columns", "limit"), "i32") | {"tolerance": "fp32"}
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
        warps = min(16, max(1, constants["N"] * constants["M"] // 512))
        target = GPUTarget("cuda", 90, 32)
        return triton.compile(source, target=target, options={"num_warps": warps})

    return build


@pytest.mark.parametrize("tile", TILES)
def test_the_kernel_that_is_given_a_cost(machine_code: Any, tile: Any) -> None:
    from otx.ot.kernels.entries import solve_from_costs

    inputs = ("exponent", "a", "b", "eps_over_tau_rows", "eps_over_tau_columns")
    types = FLOATS | LENGTHS | dict.fromkeys(inputs, "*fp64")
    code = machine_code(solve_from_costs, types, N=tile[0], M=tile[1])
    assert code.asm["cubin"]
    assert code.metadata.shared < 227 * 1024


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("tile", TILES)
def test_the_kernel_that_computes_its_cost(machine_code: Any, dtype: str, tile: Any) -> None:
    from otx.ot.kernels.entries import solve_from_cosines

    types = FLOATS | LENGTHS | {"a": "*fp32", "b": "*fp32", "x": f"*{dtype}", "y": f"*{dtype}"}
    types |= dict.fromkeys(("inverse_epsilon", "eps_over_tau_rows", "eps_over_tau_columns"), "fp32")
    code = machine_code(solve_from_cosines, types, N=tile[0], M=tile[1], PAIRED=tile[0] < 128)
    assert code.asm["cubin"]
    assert code.metadata.shared < 227 * 1024


def test_the_largest_tile_is_among_them() -> None:
    assert max(n * m for n, m in TILES) == LARGEST_TILE
