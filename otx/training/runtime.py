"""Device, precision, random numbers, signals and versions of a run."""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from types import FrameType, TracebackType

import torch

from otx.errors import Interrupted, UsageError
from otx.reporter import Reporter
from otx.training.processor import read_processor

PACKAGES = ("otx", "torch", "transformers", "datasets", "POT", "numpy", "numba", "pluggy", "typer")
SEED_SPACE = 2**63 - 1
"""Number of seeds that torch's generators tell apart."""


def choose_device(name: str) -> torch.device:
    """Return the device of a name.

    Args:
        name: ``auto`` (the first GPU, otherwise the CPU), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UsageError: If there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device '{name}'", "use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device '{name}': no GPU is visible to torch", "use --device cpu")
    return device


def open_device(name: str) -> torch.device:
    """Return the device of a name, set up for batches of ever new shapes.

    Args:
        name: As ``choose_device`` takes it.

    Raises:
        UsageError: If there is no such device.
    """
    device = choose_device(name)
    if device.type == "cuda":
        # cuDNN's attention makes a new plan for every new shape: a bf16 step on an H200 took .25 s instead of .07.
        torch.backends.cuda.enable_cudnn_sdp(False)
    if device.type == "cpu":
        # oneDNN, which multiplies bf16, keeps 1,024 compiled products, one per shape: gigabytes after some hundred
        # batches, and slower than compiling again. It reads this variable at its first product.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    return device


def choose_autocast(name: str, device: torch.device) -> torch.dtype | None:
    """Return the type of autocast.

    Args:
        name: ``fp32``, ``bf16``, or ``auto``: bf16 on a GPU, and float32 on the CPU, where bit-equality is promised.
        device: The device.

    Returns:
        The type; None for float32.
    """
    if name == "bf16" or (name == "auto" and device.type == "cuda"):
        return torch.bfloat16
    return None


def warn_of_slow_bf16(name: str, device: torch.device, reporter: Reporter) -> None:
    """Report a notice if bf16 is selected on a CPU without bf16 instructions.

    There a training step took 11 times as long: measured on AVX2, with layers of 384 dimensions. On AVX-512 without
    bf16, oneDNN emulates it, which is also slower.

    Args:
        name: Precision, as ``choose_autocast`` takes it.
        device: The device.
        reporter: Receives the notice.
    """
    if device.type != "cpu" or choose_autocast(name, device) is not torch.bfloat16:
        return
    if read_processor().has_bf16 is False:
        reporter.notice(
            "bf16 is slower than float32 on this processor, which has no bf16 instructions "
            "(10 times and more without AVX-512): use float32 (runtime.dtype auto or fp32)"
        )


def device_name(device: torch.device) -> str:
    """Return the GPU's name, or ``cpu`` with the instruction set that torch's kernels use.

    Args:
        device: The device.
    """
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"


def precision_name(autocast: torch.dtype | None) -> str:
    """Return the name of the precision.

    Args:
        autocast: Type of autocast; None for float32.

    Example:
        >>> precision_name(None), precision_name(torch.bfloat16)
        ('float32', 'bfloat16')
    """
    return str(autocast or torch.float32).removeprefix("torch.")


def step_seed(seed: int, step: int, micro_batch: int = 0, rank: int = 0) -> int:
    """Return the seed of a micro-batch's random numbers: a pure function of its place in the run.

    Args:
        seed: Seed of the run.
        step: The step; -1 before the first.
        micro_batch: Number of the micro-batch in the step.
        rank: Rank of the process, for what each draws by itself, such as dropout.
    """
    place = seed * 1_000_003 + step * 7_919 + micro_batch * 1_000_000_000_039
    return (place + rank * 1_000_000_000_000_037 + 12_345) % SEED_SPACE


def seed_step(seed: int, step: int) -> None:
    """Set torch's random state as a pure function of (seed, step), so that a resumed run draws the same numbers.

    Args:
        seed: Seed of the run.
        step: The step; -1 before the first.
    """
    torch.manual_seed(step_seed(seed, step))


def versions() -> dict[str, str]:
    """Return the versions that numbers may depend on, and the number of threads."""
    packages = {name: _version(name) for name in PACKAGES}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "threads": str(torch.get_num_threads()),
        **packages,
    }


def _version(name: str) -> str:
    """Return the installed version; ``absent`` for a package that is not installed, on which no number depends."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


class StopSignals:
    """Turns SIGINT and SIGTERM into an orderly end: the first stops the work, a second exits at once.

    Work that leaves nothing half done is interrupted immediately, and the block raises Interrupted (exit 5). Within
    ``deferred()`` a signal only sets ``requested``, for a loop that finishes and saves its step.

    Args:
        remedy: Remedy of the error: how to resume.

    Attributes:
        remedy: Remedy of the error; may be changed within the block.
        requested: True once a signal came.
    """

    def __init__(self, remedy: str) -> None:
        self.remedy = remedy
        self.requested = False
        self._deferred = False
        self._previous: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self.requested and kind is KeyboardInterrupt:
            raise Interrupted("interrupted", self.remedy) from error

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within this block, a signal interrupts nothing and only sets ``requested``."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            os._exit(128 + number)
        self.requested = True
        if not self._deferred:
            # Not an Exception, so that nothing on the way, such as the guard of a plugin, takes it for a failure.
            raise KeyboardInterrupt
