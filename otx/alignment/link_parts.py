"""Links in parts that several processes compute side by side in a folder beside the output, and join at the end.

The folder ``.FILE.parts`` holds the state of the call, a lock per part, and per part a file for each output and
``NUMBER.json``, which is written last. A process computes a part only while it holds its lock, and the operating system
releases the lock when the process ends, however it ends: another process then computes the part.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from otx.errors import DataError, OTXError, UsageError
from otx.files import atomic
from otx.files.reading import read_object
from otx.files.shapes import check_shape
from otx.links.sidecar import LinksRecord, read_record, record_path, write_record
from otx.runs.locks import try_lock

POLL_SECONDS = 0.5
"""Time between two looks at parts that other processes hold."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that links are written to.

    Attributes:
        links: File of links, one line for each line of the corpus's files.
        probabilities: File of the probability of each link, laid out alike; None writes none.
    """

    links: Path
    probabilities: Path | None = None

    @property
    def files(self) -> list[Path]:
        """The files that are written line by line."""
        return [self.links, *([] if self.probabilities is None else [self.probabilities])]

    @property
    def record(self) -> Path:
        """The file that states the direction of the links."""
        return record_path(self.links)

    @property
    def parts(self) -> Path:
        """The folder of what is done so far; removed at the end."""
        return self.links.with_name(f".{self.links.name}.parts")

    def check_names(self) -> None:
        """Refuse names that cannot be written.

        Raises:
            UsageError: If a name ends in ``.gz``, or one file would hold two outputs.
        """
        for file in self.files:
            if file.suffix == ".gz":
                raise UsageError(
                    f"{file}: links are written as plain text, so that processes can share the work",
                    "leave out .gz, and compress the file afterwards",
                )
        for other, what in ((self.links, "links"), (self.record, "the record of the links")):
            if self.probabilities == other:
                raise UsageError(f"{other} cannot hold {what} and probabilities", "name two files")


class LinkParts:
    """The parts of one call, of which this process computes those that no other process holds.

    Args:
        outputs: The files to write.
        key: Hash of everything that the links depend on, the size of a part included.
        count: Number of parts.

    Attributes:
        held_elsewhere: Parts that other processes held at the last look, with their pid.
    """

    def __init__(self, outputs: Outputs, key: str, count: int) -> None:
        self.outputs, self.key, self.count = outputs, key, count
        self.held_elsewhere: dict[int, str] = {}
        self._folder = outputs.parts
        self._holds: dict[int, ExitStack] = {}

    def begin(self) -> int:
        """Create the folder, or continue what the same call began.

        Returns:
            Number of parts that are done.

        Raises:
            UsageError: If an output exists, or the folder was begun by another call.
        """
        state = self._folder / "state.json"
        content = {"key": self.key, "files": [file.name for file in self.outputs.files]}
        if not state.exists():
            self._refuse_existing()
            atomic.write(state, json.dumps(content).encode())
        begun = read_object(state)
        check_shape(begun, {"key": str, "files": [str]}, str(state))
        if begun != content:
            raise UsageError(
                f"{self.outputs.links} was begun with another corpus, encoder or option",
                f"repeat the call that began it, or remove {self._folder}",
            )
        return sum(self._is_done(part) for part in range(self.count))

    @property
    def is_joined(self) -> bool:
        """True once the outputs are complete."""
        try:
            record = read_record(self.outputs.links)
        except DataError:
            return False
        return record is not None and record.key == self.key

    def claim(self) -> Iterator[int | None]:
        """Yield parts to compute, each held until ``release``.

        None instead of a part means that other processes hold everything that is left. The caller then finishes what it
        holds, or waits.
        """
        left: Sequence[int] = range(self.count)
        while left:
            self.held_elsewhere = {}
            for part in left:
                if not self._is_done(part) and self._hold(part) and not self.is_joined:
                    yield part
            left = [*self.held_elsewhere]
            if left:
                yield None

    def wait(self) -> None:
        """Wait before the next look at what other processes hold."""
        time.sleep(POLL_SECONDS)

    def write(self, part: int, texts: Sequence[Sequence[str]], cut: int) -> None:
        """Write a part that this process holds.

        Args:
            part: Number of the part.
            texts: The lines of links and of probabilities.
            cut: Number of pairs of the part that lost words to the length limit.
        """
        for number, lines in enumerate(texts[: len(self.outputs.files)]):
            content = "".join(line + "\n" for line in lines).encode()
            atomic.write(self._path(part, number), content)
        atomic.write(self._done_path(part), json.dumps({"cut": cut}).encode())

    def release(self, part: int) -> None:
        """Give up the hold on a part.

        Args:
            part: Number of the part.
        """
        self._holds.pop(part).close()

    def close(self) -> None:
        """Give up all holds."""
        for part in [*self._holds]:
            self.release(part)

    def join(self, record: LinksRecord, missing: int) -> int | None:
        """Write the outputs from all parts, unless another process does; then wait for it.

        Args:
            record: The record of the links.
            missing: Number of empty lines to append.

        Returns:
            Number of pairs that lost words to the length limit; None if another process wrote the outputs.
        """
        while True:
            with try_lock(self._lock_path("join")) as holder:
                if self.is_joined:
                    # Locking may have created the folder anew.
                    shutil.rmtree(self._folder, ignore_errors=True)
                    return None
                if holder is None:
                    return self._join(record, missing)
            self.wait()

    def _join(self, record: LinksRecord, missing: int) -> int:
        begun = self._folder / "joining"
        if not begun.exists():
            self._refuse_existing()
            begun.touch()
        for number, file in enumerate(self.outputs.files):
            partial = file.with_name(f".partial-{os.getpid()}-{file.name}")
            try:
                with partial.open("wb") as whole:
                    for part in range(self.count):
                        with self._path(part, number).open("rb") as lines:
                            shutil.copyfileobj(lines, whole)
                    whole.write(b"\n" * missing)
                atomic.publish(partial, file)
            except OSError as error:
                raise OTXError(
                    f"{file} could not be written: {error.strerror or error}",
                    f"the parts are kept in {self._folder}; repeat the call when there is space",
                ) from error
            finally:
                partial.unlink(missing_ok=True)
        cut = sum(int(read_object(self._done_path(part))["cut"]) for part in range(self.count))
        write_record(self.outputs.links, record)
        shutil.rmtree(self._folder, ignore_errors=True)
        return cut

    def _hold(self, part: int) -> bool:
        """Hold a part; False if another process holds it or has just computed it."""
        with ExitStack() as stack:
            holder = stack.enter_context(try_lock(self._lock_path(f"{part:06d}")))
            if holder is not None:
                self.held_elsewhere[part] = holder
                return False
            # Another process may have finished it between the look and the lock.
            if self._is_done(part):
                return False
            self._holds[part] = stack.pop_all()
            return True

    def _refuse_existing(self) -> None:
        existing = [file for file in [*self.outputs.files, self.outputs.record] if file.exists()]
        if existing:
            raise UsageError(f"{existing[0]} exists already", "remove it, or name another file")

    def _is_done(self, part: int) -> bool:
        return self._done_path(part).exists()

    def _done_path(self, part: int) -> Path:
        return self._folder / f"{part:06d}.json"

    def _path(self, part: int, number: int) -> Path:
        return self._folder / f"{part:06d}.{number}"

    def _lock_path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"
