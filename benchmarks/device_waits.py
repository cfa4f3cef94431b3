"""Count how often a training step makes the host wait for the device, on the CPU.

    python -m benchmarks.device_waits sinkhorn divergence "l2+keep-close"

On a GPU every operation that hands a number of a tensor to Python, or whose result's shape depends on numbers, stops
the host until the device has done all its work. The same operations run here on the CPU, where they can be counted:
items, ``bool``, ``tolist`` and ``numpy`` of tensors that the training computes, ``nonzero``, ``unique`` and indexing by
masks. Reading a batch is not counted: it is made on the host.

The solver is left out, because a GPU runs other code there. Each argument is an objective, or several that are joined
by a plus sign. The table gives the operations and the waits of a step, and the place in the code of each wait.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.job import make_job
from benchmarks.record import Result, record
from otx.training.fit import FitHooks, fit
from otx.training.gradient_norms import LOG_EVERY
from otx.training.optimizer import FitSettings

ATEN = torch.ops.aten
WAITING = {
    ATEN._local_scalar_dense.default,
    ATEN.nonzero.default,
    ATEN.masked_select.default,
    ATEN.equal.default,
    ATEN._unique2.default,
    ATEN.unique_dim.default,
    ATEN.repeat_interleave.Tensor,
    ATEN.bincount.default,
}
BY_MASK = {ATEN.index.Tensor, ATEN.index_put.default, ATEN.index_put_.default}
TO_HOST = ("tolist", "numpy")
VIEWS = {ATEN.view.default, ATEN.detach.default, ATEN.t.default, ATEN.transpose.int}
"""Operations that start nothing on a device."""
CPU_ONLY = ("plugins/otx_encoders/compiled/", "otx/ot/")
"""Code whose waits in a step are not counted: a GPU runs other code there.

``benchmarks.solver_calls`` counts those of the solver.
"""
ROOT = Path(__file__).parents[1]
STEPS = 12
FIRST = 3
"""Steps before the count begins: the first ones make checks that later ones do not."""


class Counted(TorchDispatchMode):
    """Counts operations, and the waits among them by their place in the code.

    Args:
        left_out: Beginnings of the places whose waits are not counted.

    Attributes:
        operations: Number of operations, views left out.
        waits: Number of waits by place.
    """

    def __init__(self, left_out: tuple[str, ...]) -> None:
        super().__init__()
        self._left_out = left_out
        self.operations = 0
        self.waits: Counter[str] = Counter()

    def add(self, place: str) -> None:
        """Count a wait, unless its place is left out.

        Args:
            place: File and line.
        """
        if not place.startswith(self._left_out):
            self.waits[place] += 1

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count the operation, and run it."""
        self.operations += func not in VIEWS
        if func in WAITING or (func in BY_MASK and _by_mask(args[1])):
            self.add(_place())
        return func(*args, **(kwargs or {}))


@contextmanager
def counted(left_out: tuple[str, ...] = ()) -> Iterator[Counted]:
    """Count what happens within the context.

    Args:
        left_out: Beginnings of the places whose waits are not counted.
    """
    mode = Counted(left_out)
    patches = [mock.patch.object(Tensor, name, _recording(name, mode)) for name in TO_HOST]
    with mode:
        for patch in patches:
            patch.start()
        try:
            yield mode
        finally:
            for patch in patches:
                patch.stop()


def _recording(name: str, mode: Counted) -> Callable[..., Any]:
    original = getattr(Tensor, name)

    def recording(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        mode.add(_place())
        return original(tensor, *args, **kwargs)

    return recording


def _by_mask(indices: Any) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)


def _place() -> str:
    """Return file and line of the innermost frame of the project."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if (
            path.is_relative_to(ROOT)
            and path.name != Path(__file__).name
            and ".venv" not in path.parts
        ):
            return f"{path.relative_to(ROOT)}:{frame.lineno}"
    return "elsewhere"


def count_steps(objectives: list[str], read_every: int) -> tuple[float, Counter[str]]:
    """Train some steps, and count those after the first.

    Args:
        objectives: Terms of the loss, as on the command line.
        read_every: Steps whose numbers are read together.

    Returns:
        Operations a step, and waits by place over all ``STEPS`` counted steps.
    """
    settings = {
        "align__objective": objectives,
        "align__keep_close": 0.0,
        "data__batch_tokens": 2048,
    }
    job = make_job(STEPS + FIRST, **settings)
    hooks = FitHooks(
        started=lambda *_: None,
        step_finished=lambda _: None,
        checkpoint_saved=lambda _: None,
        notice=lambda _: None,
        stop_requested=lambda: False,
    )
    optimisation = FitSettings(STEPS + FIRST, 1e-5, 1, checkpoint_every=10_000)
    begin = job.begin
    with tempfile.TemporaryDirectory() as folder, counted(CPU_ONLY) as mode:

        def begin_counted(step: int, steps: int) -> None:
            if step == FIRST:
                mode.operations = 0
                mode.waits.clear()
            begin(step, steps)

        # A checkpoint brings every weight to the host: the one after the last step is no part of a step.
        with (
            mock.patch.object(job, "begin", begin_counted),
            mock.patch("otx.training.checkpoint.save"),
        ):
            fit(job, optimisation, Path(folder), hooks, read_every=read_every)
    return mode.operations / STEPS, mode.waits


def main(arguments: list[str]) -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("objectives", nargs="*", default=["sinkhorn", "l2", "sentence-contrastive"])
    parser.add_argument("--read-every", type=int, default=LOG_EVERY)
    parser.add_argument("--places", action="store_true", help="list the place of every wait")
    chosen = parser.parse_args(arguments)
    print(f"{'objective':<36} {'operations':>10} {'waits a step':>12}")
    for text in chosen.objectives:
        operations, waits = count_steps(text.split("+"), chosen.read_every)
        waiting = waits.total() / STEPS
        print(f"{text:<36} {operations:>10.0f} {waiting:>12.1f}")
        aim = f"waits for the device in a step of `{text}`, outside the solver"
        record(Result(aim, f"{waiting:.1f}"))
        if chosen.places:
            for place, count in waits.most_common():
                print(f"    {count / STEPS:6.2f}  {place}")


if __name__ == "__main__":
    main(sys.argv[1:])
