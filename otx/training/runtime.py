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

PACKAGES = ("otx", "torch", "transformers", "datasets", "POT", "numpy", "pluggy", "typer")
_SEED_SPACE = 2**63 - 1


def choose_device(name: str) -> torch.device:
    """``auto`` is the first GPU, otherwise the CPU. Raises UsageError for a device that is not there."""
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
    """The device of ``choose_device``, made ready for batches of ever new shapes."""
    device = choose_device(name)
    if device.type == "cuda":
        # cuDNN's attention plans anew for every shape that it meets: a bf16 step on an H200 took .25 s, not .07.
        torch.backends.cuda.enable_cudnn_sdp(False)
    if device.type == "cpu":
        # oneDNN, which multiplies bf16, keeps 1,024 compiled products, one for every shape: gigabytes after some
        # hundred batches, and slower than compiling again. It reads this at its first product.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    return device


def choose_autocast(name: str, device: torch.device) -> torch.dtype | None:
    """The autocast type: ``auto`` is bf16 on a GPU and none (float32) on the CPU, where bit-equality is promised."""
    if name == "bf16" or (name == "auto" and device.type == "cuda"):
        return torch.bfloat16
    return None


def warn_of_slow_bf16(name: str, device: torch.device, reporter: Reporter) -> None:
    """Say so if ``name`` selects bf16 on a CPU that converts every product: a training step took 11 times as long.

    Measured on AVX2, with layers of 384 dimensions. On AVX-512 without bf16, oneDNN emulates it; also slower.
    """
    if device.type != "cpu" or choose_autocast(name, device) is not torch.bfloat16:
        return
    if read_processor().has_bf16 is False:
        reporter.notice(
            "bf16 is slower than float32 on this processor, which has no bf16 instructions "
            "(10 times and more without AVX-512): use float32 (runtime.dtype auto or fp32)"
        )


def device_name(device: torch.device) -> str:
    """Return what computes: the GPU's name, or ``cpu`` with the instructions that torch's kernels use."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"


def precision_name(autocast: torch.dtype | None) -> str:
    """``float32``, or the type that autocast makes of it: ``bfloat16``."""
    return str(autocast or torch.float32).removeprefix("torch.")


def seed_step(seed: int, step: int) -> None:
    """Set torch's random state as a pure function of (seed, step): a resumed run draws what an unbroken one draws."""
    torch.manual_seed((seed * 1_000_003 + step * 7_919 + 12_345) % _SEED_SPACE)


def versions() -> dict[str, str]:
    """Versions that a number may depend on, with the machine's threads."""
    found = {name: _version(name) for name in PACKAGES}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "threads": str(torch.get_num_threads()),
        **found,
    }


def _version(name: str) -> str:
    """Return the installed version; no number depends on a package that is not there (POT on a bare machine)."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


class StopSignals:
    """Turns SIGINT and SIGTERM into an orderly end: the first stops the work, a second exits at once.

    What keeps nothing half done is interrupted where it stands, and Interrupted (exit 5) with ``remedy`` leaves the
    block. Within ``deferred()`` the signal only sets ``requested``, for a loop that finishes and saves its step.
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
        """Within, a signal interrupts nothing; ``requested`` says that it came."""
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
            # No Exception, so that nothing on the way, a plugin's guard least of all, takes it for a failure.
            raise KeyboardInterrupt
