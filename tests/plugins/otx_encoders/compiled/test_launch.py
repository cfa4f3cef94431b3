"""Work is divided equally, and machine code runs where threads are few, busy or gone."""

from __future__ import annotations

import subprocess
import sys
from threading import Thread

import numba
import numpy as np
import pytest
import torch

from otx_encoders.compiled import launch
from otx_encoders.compiled.dropout import drop
from otx_encoders.compiled.launch import equal_parts

FORK = """
import os, torch
torch.set_num_threads(2)
from otx_encoders.compiled import attention, dropout
attention.THREADED = dropout.THREADED = 1
from otx_encoders.compiled.attention import attend_compiled
rows = [torch.randn(60, 2, 8) for _ in range(3)]
def compute():
    torch.manual_seed(0)
    return attend_compiled(rows, [(2, 30)], 0.1, 1.0), dropout.drop(rows[0], 0.5)
before = compute()
child = os.fork()
if child == 0:
    os._exit(0 if all(map(torch.equal, before, compute())) else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def test_loading_machine_code_leaves_pytorch_its_threads() -> None:
    load = "import torch; torch.set_num_threads(1); import otx_encoders.compiled.attention_kernel; "
    load += "import otx_encoders.compiled.dropout_kernel; assert torch.get_num_threads() == 1"
    subprocess.run([sys.executable, "-c", load], check=True, timeout=120)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_parts_cover_the_work_and_are_as_equal_as_pieces_allow(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    sizes = np.random.default_rng(0).integers(1, 100, 50)
    ends = np.cumsum(sizes)
    parts = equal_parts(ends, 1)
    assert parts[0] == 0 and parts[-1] == 50 and len(parts) == threads + 1
    works = np.diff(np.append(0, ends)[parts])
    assert works.sum() == ends[-1] and np.ptp(works) <= 2 * sizes.max()


def test_little_work_or_one_piece_is_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert equal_parts(np.array([1, 2, 3]), 4).tolist() == [0, 3]
    assert equal_parts(np.array([100]), 4).tolist() == [0, 1]


def test_a_fork_computes_the_same() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=120)


def test_threads_at_once_and_a_user_s_own_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    before, results = numba.get_num_threads(), []
    values = torch.ones(400_000)

    def work() -> None:
        results.append((drop(values, 0.5) == 0).float().mean().item())

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(abs(share - 0.5) < 0.01 for share in results)
    drop(values, 0.5)
    assert numba.get_num_threads() == before
    assert not launch._one_at_a_time.locked()
