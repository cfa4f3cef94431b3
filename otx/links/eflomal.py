"""Word links by eflomal, run as a process of its own: statistics of the whole bitext, no encoder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from otx.errors import DataError, UsageError
from otx.links.pharaoh import read_links, write_links
from otx.links.symmetrise import grow_diag_final_and

COMMAND = "eflomal-align"
MODEL = 3
"""IBM model 1, then an HMM with fertilities."""


def align_words(pairs: Iterable[tuple[Sequence[str], Sequence[str]]], folder: Path) -> Path:
    """Align the words of all pairs (source, pivot) both ways, symmetrise, and write ``folder/links``, a line a pair.

    Östling and Tiedemann 2016; grow-diag-final-and. It draws at random: two calls differ a little. Raises UsageError
    where eflomal is not installed, DataError with its own last words where it fails.
    """
    command = shutil.which(COMMAND)
    if command is None:
        raise UsageError(f"{COMMAND} is not on the PATH", 'pip install "otx[eflomal]"')
    files = {name: folder / name for name in ("source", "target", "forward", "reverse", "links")}
    with (
        files["source"].open("w", encoding="utf-8") as one,
        files["target"].open("w", encoding="utf-8") as other,
    ):
        for source, pivot in pairs:
            one.write(" ".join(source) + "\n")
            other.write(" ".join(pivot) + "\n")
    flags = [f"--model={MODEL}", "--overwrite"]
    flags += [f"--{side}={files[side]}" for side in ("source", "target")]
    flags += [f"--{way}-links={files[way]}" for way in ("forward", "reverse")]
    done = subprocess.run([command, *flags], capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["it says nothing"]
        raise DataError(f"{COMMAND} failed with exit code {done.returncode}: {words[-1]}")
    ways = [read_links(files[way]) for way in ("forward", "reverse")]
    write_links(files["links"], (grow_diag_final_and(*pair) for pair in zip(*ways, strict=True)))
    for name in ("source", "target", "forward", "reverse"):
        files[name].unlink()
    return files["links"]
