"""Functions in machine code, compiled once and stored."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from numba import njit
from numba.core.errors import NumbaError


def machine_code(signature: str, *, parallel: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that loads the machine code of a function, or compiles and stores it.

    The code is stored beside the function's file, or else in the user's cache folder. Numba compiles it again when the
    file changes. It does not see changes of functions and constants in other files, so constants of other modules
    should be arguments.

    Args:
        signature: Types of the one entry point, in Numba's notation:
            https://numba.readthedocs.io/en/stable/reference/types.html
        parallel: Run ``prange`` loops on several threads.

    Returns:
        The decorator. The function that it returns holds no lock of the interpreter.
    """

    def load(function: Callable[..., Any]) -> Any:
        options: dict[str, Any] = {
            "nogil": True,
            "error_model": "numpy",
            "parallel": parallel,
        }
        threads = torch.get_num_threads()
        try:
            compiled = njit(cache=True, **options)(function)
            folder = Path(compiled.stats.cache_path)
            source = Path(function.__code__.co_filename)
            stored = (
                index.stat().st_mtime
                for index in folder.glob(f"{source.stem}.{function.__name__}-*.nbi")
            )
            if any(time > source.stat().st_mtime for time in stored):
                compiled.compile(signature)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                # One process compiles, the others load.
                with FileLock(folder / f"{source.stem}.lock"):
                    compiled.compile(signature)
            compiled.disable_compile()  # for no other types of arguments
        except NumbaError:
            raise
        except Exception as error:  # no folder to write to, a full disk, a damaged file
            warnings.warn(
                f"'{function.__name__}' cannot be stored as machine code, and takes some ten seconds to compile: "
                f"{error} (make the folder of otx or your cache folder writable)",
                RuntimeWarning,
                stacklevel=2,
            )
            compiled = njit(signature, **options)(function)
        finally:
            # Where both use one OpenMP, Numba gives PyTorch all cores when it loads a function with threads.
            torch.set_num_threads(threads)
        return compiled

    return load
