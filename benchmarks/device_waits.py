"""How often a training step makes the host wait for the device, counted on the CPU.

    python -m benchmarks.device_waits sinkhorn divergence "l2+keep-close"

On a GPU every operation that hands a number of a tensor to Python, or whose result's shape depends on numbers, stops
the host until the device has done all its work. The same operations run here on the CPU, where they can be counted:
items, ``bool``, ``tolist`` and ``numpy`` of tensors that the training computes, ``nonzero``, ``unique`` and indexing by
masks. Reading a batch is not counted: it is made on the host.

Each argument is an objective, or several that are joined by a plus sign. The table gives the operations and the waits
of a step, and the place in the code of each wait.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.job import make_job
from otx.training.fit import FitHooks, fit
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
ROOT = Path(__file__).parents[1]
STEPS = 12
FIRST = 3
"""Steps before the count begins: the first ones make checks that later ones do not."""


class Counted(TorchDispatchMode):
    """Counts operations, and the waits among them by their place in the code.

    Attributes:
        operations: Number of operations, views left out.
        waits: Number of waits by place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count the operation, and run it."""
        self.operations += func not in VIEWS
        if func in WAITING or (func in BY_MASK and _by_mask(args[1])):
            self.waits[_place()] += 1
        return func(*args, **(kwargs or {}))


@contextmanager
def counted() -> Iterator[Counted]:
    """Count what happens within the context."""
    mode = Counted()
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
        mode.waits[_place()] += 1
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


def count_steps(objectives: list[str], read_every: int) -> tuple[float, Counter[str], int]:
    """Train some steps, and count those after the first.

    Args:
        objectives: Terms of the loss, as on the command line.
        read_every: Steps whose numbers are read together.

    Returns:
        Operations a step, waits by place over all counted steps, and the number of counted steps.
    """
    settings = {
        "align__objective": objectives,
        "align__keep_close": 0.0,
        "data__batch_tokens": 2048,
    }
    job = make_job(STEPS + FIRST, **settings)
    rows: list[dict[str, float]] = []
    total: Counter[str] = Counter()
    operations = 0
    with tempfile.TemporaryDirectory() as folder, counted() as mode:

        def started(*_: int) -> None:
            mode.waits.clear()

        begin = job.begin

        def from_the_third(step: int, steps: int) -> None:
            nonlocal operations
            if step == FIRST:
                mode.waits.clear()
                operations = mode.operations
            begin(step, steps)

        job.begin = from_the_third  # type: ignore[method-assign]
        hooks = FitHooks(
            started=started,
            step_finished=rows.append,
            checkpoint_saved=lambda _: None,
            notice=lambda _: None,
            stop_requested=lambda: False,
        )
        optimisation = FitSettings(STEPS + FIRST, 1e-5, 1, checkpoint_every=10_000)
        with (
            mock.patch("otx.training.checkpoint.save", side_effect=_stop(mode, total)),
            suppress(_Done),
        ):
            fit(job, optimisation, Path(folder), hooks, read_every=read_every)
        operations = mode.operations - operations
    return operations / STEPS, total, STEPS


class _Done(Exception):
    pass


def _stop(mode: Counted, total: Counter[str]) -> Callable[..., Any]:
    def stop(*_: Any, **__: Any) -> Any:
        total.update(mode.waits)
        raise _Done

    return stop


def main(arguments: list[str]) -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("objectives", nargs="*", default=["sinkhorn", "l2", "sentence-contrastive"])
    parser.add_argument("--read-every", type=int, default=10)
    parser.add_argument("--places", action="store_true", help="list the place of every wait")
    chosen = parser.parse_args(arguments)
    print(f"{'objective':<36} {'operations':>10} {'waits a step':>12}")
    for text in chosen.objectives:
        operations, waits, steps = count_steps(text.split("+"), chosen.read_every)
        print(f"{text:<36} {operations:>10.0f} {waits.total() / steps:>12.1f}")
        if chosen.places:
            for place, count in waits.most_common():
                print(f"    {count / steps:6.2f}  {place}")


if __name__ == "__main__":
    main(sys.argv[1:])
