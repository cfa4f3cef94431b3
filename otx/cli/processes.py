"""Several processes for one command: they are started by PyTorch's elastic launcher, and only one of them prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from otx.cli.console import screen
from otx.errors import OTXError, UsageError

NPROC = "--nproc"
"""Flag by which a command starts several processes of itself."""
EXIT_CODE = "OTX_EXIT_CODE_FILE"
"""Environment variable with the file to which the first process writes its exit code."""
SHUTDOWN_SECONDS = "600"
"""Time for the processes to finish and save their step after a signal, before they are killed."""


def starts_processes(count: int | None) -> bool:
    """Return whether this process must start others, rather than do the work itself.

    Args:
        count: Number of processes that the command line asks for.

    Raises:
        UsageError: If this process is itself one of several, or the number is below 1.
    """
    if count is None:
        return False
    if count < 1:
        raise UsageError(f"{NPROC} is {count}", "give 1 or more")
    if _count() > 1:
        raise UsageError(
            f"{NPROC} is given under torchrun, which has started {_count()} processes",
            f"give {NPROC} or use torchrun",
        )
    return count > 1


def start_processes(count: int) -> int:
    """Run the present command in several processes, and wait for them.

    Args:
        count: Number of processes.

    Returns:
        The exit code of the first process.

    Raises:
        OTXError: If the first process was killed.
    """
    # Here, because every command imports this module.
    import logging
    import tempfile
    import uuid

    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", SHUTDOWN_SECONDS)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
    )
    with tempfile.TemporaryDirectory(prefix="otx-") as folder:
        file = Path(folder) / "exit_code"
        os.environ[EXIT_CODE] = str(file)
        killed = ""
        # The processes report by themselves.
        logging.disable()
        try:
            elastic_launch(config, sys.executable)("-m", "otx", *_without_nproc(screen.arguments))
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            killed = f"process {rank} of {count} ended with exit code {failure.exitcode}"
        except SignalException as error:
            killed = f"stopped by signal {error.sigval}"
        finally:
            logging.disable(logging.NOTSET)
            del os.environ[EXIT_CODE]
        if file.exists():
            return int(file.read_text())
    raise OTXError(killed, "run the same command again; a run resumes with --resume NAME")


@contextmanager
def only_first_speaks() -> Iterator[None]:
    """Within this block, print nothing unless this is the first of several processes, or speaks in its place."""
    follows = _count() > 1 and _rank() > 0
    screen.silent = follows
    try:
        yield
    except Exception as error:
        if follows:
            from otx.training.processes import ProcessLost

            screen.silent = not (
                _rank() == 1 and isinstance(error, ProcessLost) and error.first_is_lost
            )
        raise


def record_exit_code(code: int) -> None:
    """Tell the process that started this one how it ended, if this is the first process.

    Args:
        code: The exit code.
    """
    file = os.environ.get(EXIT_CODE)
    if file is not None and _count() > 1 and _rank() == 0:
        Path(file).write_text(str(code))


def _without_nproc(arguments: Sequence[str]) -> list[str]:
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == NPROC:
            next(rest, None)
        elif not argument.startswith(f"{NPROC}="):
            kept.append(argument)
    return kept


def _count() -> int:
    return int(os.environ.get("WORLD_SIZE") or 1)


def _rank() -> int:
    return int(os.environ.get("RANK") or 0)
