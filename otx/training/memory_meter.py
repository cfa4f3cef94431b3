"""The memory of tensors on a device: how much is in use, and its peaks within a block of code."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def memory_in_use(device: torch.device) -> int:
    """Return the bytes of all tensors of this process on a device.

    Args:
        device: The device.
    """
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    tensors = (thing for thing in gc.get_objects() if issubclass(type(thing), Tensor))
    storages = {}
    for tensor in tensors:
        if tensor.device.type == device.type and tensor.layout is torch.strided:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


class PeakMeter:
    """Measures the peaks of the memory that a block of code takes, beyond what was in use before.

    On a CUDA device, the figures are those of PyTorch's allocator, with all that kernels and libraries take from it.
    Elsewhere the results of all operations are counted, but not what an operation takes for itself.

    Args:
        device: The device.

    Example:
        >>> with PeakMeter(torch.device("cpu")) as meter:
        ...     total = (torch.ones(1000) + 1).sum()
        >>> meter.peak()
        8000
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._results = None if device.type == "cuda" else _Results(device)
        self._before = 0

    def __enter__(self) -> PeakMeter:
        if self._results is not None:
            self._results.__enter__()  # type: ignore[no-untyped-call]
        else:
            self._before = memory_in_use(self._device)
            self.restart()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._results is not None:
            self._results.__exit__(*error)  # type: ignore[no-untyped-call]

    def peak(self) -> int:
        """Return the peak in bytes since the block began, or since ``restart``."""
        if self._results is not None:
            return self._results.peak
        return torch.cuda.max_memory_allocated(self._device) - self._before

    def restart(self) -> None:
        """Begin another peak, at what is in use now."""
        if self._results is not None:
            self._results.peak = self._results.present
        else:
            torch.cuda.reset_peak_memory_stats(self._device)


class _Results(TorchDispatchMode):
    """Counts the bytes of all storages that operations return, until nothing reads them any more."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.present = self.peak = 0
        self._device = device
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {_key(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        results = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(results):
            # A view of what is older than the block is not counted.
            if isinstance(leaf, Tensor) and leaf.device.type == self._device.type:
                key = _key(leaf)
                if key not in given and key not in self._sizes:
                    self._add(leaf.untyped_storage(), key)
        return results

    def _add(self, storage: Any, key: int) -> None:
        self._sizes[key] = storage.nbytes()
        self.present += self._sizes[key]
        self.peak = max(self.peak, self.present)
        weakref.finalize(storage, self._remove, key)

    def _remove(self, key: int) -> None:
        self.present -= self._sizes.pop(key, 0)


def _key(tensor: Tensor) -> int:
    """Return a number of the tensor's storage, which no other storage has at the same time."""
    return int(tensor.untyped_storage()._cdata)
