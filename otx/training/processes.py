"""The processes of one run: who is first, what they add up or copy, and how they wait for one another.

The loop is written for any number of processes; ``Processes`` itself is one process alone, which does nothing here.
``open_processes`` joins the others if torchrun started this process. Only the first process prints and writes.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from otx.errors import Interrupted, OTXError, TrainingError, UsageError
from otx.training.heartbeat import Heartbeat, beat_key

Value = TypeVar("Value")

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables by which torchrun tells a process its place."""
COLLECTIVE_SECONDS = 30
"""Time after which a collective operation fails: a process that answers, and yet does not take part, hangs."""
START_SECONDS = 600
"""Time for all processes to start."""
_POLL = timedelta(seconds=1)
_FAILURES, _FAILURE = "failures", "failure"
_openings = itertools.count()


class ProcessLost(TrainingError):
    """Another process of the run failed, was killed, or no longer answers.

    Args:
        message: What is known of it.
        remedy: What to do.
        exit_code: Exit code of the process that failed, if it told it.
        first_is_lost: Whether the first process is gone, so that another must speak.

    Attributes:
        exit_code: Exit code of the command line.
        first_is_lost: Whether the first process is gone.
    """

    def __init__(
        self,
        message: str,
        remedy: str | None = None,
        *,
        exit_code: int = 1,
        first_is_lost: bool = False,
    ) -> None:
        super().__init__(message, remedy)
        self.exit_code, self.first_is_lost = exit_code, first_is_lost


class Processes:
    """One process alone.

    Attributes:
        rank: Number of this process, from 0.
        count: Number of processes.
    """

    rank = 0
    count = 1

    @property
    def is_first(self) -> bool:
        """Whether this process prints and writes for all."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes.

        Args:
            tensor: A tensor of the same shape and type in every process.
        """
        return tensor

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Return, for each of several flags, whether it is set in any process; only the hosts communicate.

        Args:
            flags: As many flags in every process.
        """
        return list(flags)

    def gather(self, value: Value) -> list[Value]:
        """Return the value of every process, by rank; only the hosts communicate.

        Args:
            value: A small value that can be pickled.
        """
        return [value]

    def from_first(self, value: Value) -> Value:
        """Return the first process's value in every process; only the hosts communicate.

        Args:
            value: A small value that can be pickled; only the first process's counts.
        """
        return value

    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors with those of the first process.

        Args:
            tensors: Tensors of the same shapes and types in every process.
        """

    def meet(self, request: bool = False) -> bool:
        """Wait until every process is here, for as long as each of them lives.

        Args:
            request: Whether this process asks for something, such as to stop.

        Returns:
            True if any process asks.

        Raises:
            ProcessLost: If a process failed or does not answer.
        """
        return request

    @contextmanager
    def watched(self, abort: Callable[[OTXError], None]) -> Iterator[None]:
        """Within this block, call a function if a process is lost and this one cannot notice it by itself.

        Args:
            abort: Called in another thread, just before this process exits: records and prints the error.
        """
        yield

    def release(self) -> None:
        """Let the other processes leave: from here on, the loss of one does not end this one."""

    def explain(self, error: BaseException) -> BaseException:
        """Return the failure of another process, if that is why this one is stopped; otherwise the error.

        Args:
            error: An error, such as an interruption by torchrun, which ends all processes when one failed.
        """
        return error


ALONE = Processes()
"""The one process of a run that was not started by torchrun."""


class ProcessGroup(Processes):
    """The processes that torchrun started, joined by ``torch.distributed``.

    Args:
        device: Device of the tensors: a GPU communicates by NCCL, a CPU by gloo.

    Attributes:
        backend: The backend of ``torch.distributed``.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        # Here, because a torch that is built without distributed trains in one process.
        from torch.distributed import PrefixStore, rendezvous  # type: ignore[attr-defined]

        start = timedelta(seconds=START_SECONDS)
        base, _, _ = next(iter(rendezvous("env://", timeout=start)))
        # A process may open several groups one after another, in tests for example.
        prefix = f"otx/{next(_openings)}"
        self._store = PrefixStore(prefix, base)
        self._meetings = 0
        self._heartbeat: Heartbeat | None = None
        self._abort: Callable[[OTXError], None] = lambda error: None
        # Processes load torch and plugins for different times: only from here on do they answer one another.
        self.meet()
        self.backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(
            self.backend,
            store=PrefixStore(f"{prefix}/group", base),
            rank=self.rank,
            world_size=self.count,
            timeout=timedelta(seconds=COLLECTIVE_SECONDS),
        )
        self._heartbeat = Heartbeat(
            PrefixStore(prefix, base.clone()), self.rank, self.count, self._last_words
        )
        self._heartbeat.start()
        # From here on, every process has a beat.
        self.meet()

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes; see ``Processes``."""
        total = tensor.detach().clone()
        with self.guarded():
            dist.all_reduce(total)
        return total

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Return which flags are set anywhere; see ``Processes``."""
        numbers = torch.tensor(list(flags), dtype=torch.uint8)
        with self.guarded():
            dist.all_reduce(numbers, dist.ReduceOp.MAX)
        return [bool(number) for number in numbers.tolist()]

    def gather(self, value: Value) -> list[Value]:
        """Return every process's value; see ``Processes``."""
        values: list[Any] = [None] * self.count
        with self.guarded():
            dist.all_gather_object(values, value)
        return values

    def from_first(self, value: Value) -> Value:
        """Return the first process's value; see ``Processes``."""
        values: list[Any] = [value]
        # The first process may have worked alone for longer than a collective operation waits.
        self.meet()
        with self.guarded():
            dist.broadcast_object_list(values, src=0)
        first: Value = values[0]
        return first

    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors with the first process's; see ``Processes``."""
        with self.guarded():
            for tensor in tensors:
                data = tensor.detach()
                whole = data.contiguous()
                dist.broadcast(whole, src=0)
                if whole is not data:
                    data.copy_(whole)

    def meet(self, request: bool = False) -> bool:
        """Wait for every process; see ``Processes``."""
        self._meetings += 1
        here, asked, go = (f"meet/{self._meetings}/{part}" for part in ("here", "asked", "go"))
        with self.guarded():
            if request:
                self._store.add(asked, 1)
            if self._store.add(here, 1) == self.count:
                self._store.set(go, str(int(self._store.add(asked, 0) > 0)))
                for part in ("here", "asked", "go"):
                    self._store.delete_key(f"meet/{self._meetings - 2}/{part}")
            while not self._arrived(go):
                pass
            return self._store.get(go) == b"1"

    def _arrived(self, key: str) -> bool:
        try:
            self._store.wait([key], _POLL)
        except dist.DistStoreError:
            failure = self._failure()
            if failure is not None:
                raise failure from None
            return False
        return True

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Within this block, an operation that fails because of another process raises ``ProcessLost``."""
        try:
            yield
        except ProcessLost:
            raise
        except RuntimeError as error:
            raise self._explained(error) from error

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Within this block, whose work includes collective operations, one that fails raises ``ProcessLost``.

        Other errors pass, such as a lack of memory.
        """
        try:
            yield
        except ProcessLost:
            raise
        except Exception as error:
            cause: BaseException | None = error
            # A plugin is blamed for what fails within its calls.
            while cause is not None:
                if isinstance(cause, dist.DistError) or (
                    isinstance(cause, RuntimeError) and "gloo" in str(cause)
                ):
                    raise self._explained(cause) from error
                cause = cause.__cause__
            raise

    @contextmanager
    def watched(self, abort: Callable[[OTXError], None]) -> Iterator[None]:
        """Call a function if a process is lost; see ``Processes``."""
        before, self._abort = self._abort, abort
        try:
            yield
        finally:
            self._abort = before

    def release(self) -> None:
        """Let the others leave; see ``Processes``."""
        if self._heartbeat is not None:
            self._heartbeat.release()

    def close(self, error: BaseException | None) -> None:
        """Leave the group; an error is told to the other processes first.

        Args:
            error: The error that ends this process, or None.
        """
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if isinstance(error, Exception) and not isinstance(error, ProcessLost | Interrupted):
            self._publish(error)
        if error is None:
            dist.destroy_process_group()

    def explain(self, error: BaseException) -> BaseException:
        """Return the failure of another process, or the error; see ``Processes``."""
        explained = isinstance(error.__cause__, ProcessLost)
        if isinstance(error, Interrupted | KeyboardInterrupt) and not explained:
            return self._failure() or error
        return error

    def _publish(self, error: Exception) -> None:
        text = error.message if isinstance(error, OTXError) else f"{type(error).__name__}: {error}"
        told = {
            "message": f"process {self.rank} of {self.count}: {text}",
            "remedy": error.remedy if isinstance(error, OTXError) else None,
            "exit_code": error.exit_code if isinstance(error, OTXError) else 1,
        }
        try:
            if self._store.add(_FAILURES, 1) == 1:
                self._store.set(_FAILURE, json.dumps(told))
        except RuntimeError:
            # The store is gone: nobody is left to be told.
            return

    def _failure(self) -> ProcessLost | None:
        """Return the error that another process published, or its silence; None if all is well."""
        try:
            if self._store.check([_FAILURE]):
                return ProcessLost(**json.loads(self._store.get(_FAILURE)))
        except RuntimeError as error:
            return self._lost(0, _line(error))
        silent = None if self._heartbeat is None else self._heartbeat.silent
        return None if silent is None else self._lost(silent, "killed, or it hangs")

    def _lost(self, rank: int, reason: str) -> ProcessLost:
        return ProcessLost(
            f"process {rank} of {self.count} no longer answers: {reason}", first_is_lost=rank == 0
        )

    def _explained(self, error: RuntimeError) -> ProcessLost:
        """Return why a collective operation failed: a process that fails tells it just before."""
        beats = [self._beats()]
        for _ in range(3):
            failure = self._failure()
            if failure is not None:
                return failure
            try:
                self._store.wait([_FAILURE], _POLL)
            except RuntimeError:
                beats.append(self._beats())
        stopped = [rank for rank, count in enumerate(beats[-1]) if count == beats[0][rank]]
        if stopped:
            return self._lost(stopped[0], "killed, or it hangs")
        return ProcessLost(f"a process of {self.count} was killed, or it hangs: {_line(error)}")

    def _beats(self) -> list[bytes]:
        try:
            return self._store.multi_get([beat_key(rank) for rank in range(self.count)])
        except RuntimeError:
            return [b""] * self.count

    def _last_words(self) -> None:
        """End this process from the heartbeat's thread."""
        error = self._failure() or ProcessLost("another process of the run failed")
        try:
            if self.rank == 0 or (self.rank == 1 and error.first_is_lost):
                self._abort(error)
        finally:
            os._exit(error.exit_code)


@contextmanager
def open_processes(device: torch.device) -> Iterator[Processes]:
    """Join the processes that torchrun started with this one; alone if it started none.

    On a CPU, the processes of a machine share its cores, unless ``OMP_NUM_THREADS`` is set.

    Args:
        device: Device of the run; a GPU stands for that of this process's local rank.

    Yields:
        The processes.

    Raises:
        UsageError: If there are more processes than GPUs on a machine, or the device names one GPU for several.
        ProcessLost: In place of an interruption, if another process failed.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) == 1 or not all(map(os.environ.get, VARIABLES)):
        yield ALONE
        return
    local, siblings = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    threads = torch.get_num_threads()
    if device.type == "cuda":
        _choose_gpu(device, local, siblings)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, threads // siblings))
    processes = ProcessGroup(device)
    try:
        yield processes
    except BaseException as error:
        explained = processes.explain(error)
        processes.close(explained)
        if explained is not error:
            raise explained from error
        raise
    else:
        processes.close(None)
    finally:
        torch.set_num_threads(threads)


def _choose_gpu(device: torch.device, local: int, siblings: int) -> None:
    if device.index is not None:
        raise UsageError(
            f"device '{device}' is one GPU for {siblings} processes", "use --device cuda"
        )
    if siblings > torch.cuda.device_count():
        raise UsageError(
            f"{siblings} processes on a machine with {torch.cuda.device_count()} GPUs",
            "start as many processes as there are GPUs, or use --device cpu",
        )
    torch.cuda.set_device(local)


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
