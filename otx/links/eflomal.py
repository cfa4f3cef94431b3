"""Word links by eflomal, run as a separate process: it uses statistics of the whole bitext, and no encoder."""

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
"""eflomal's model number: IBM model 1, then an HMM with fertilities."""


def align_words(pairs: Iterable[tuple[Sequence[str], Sequence[str]]], folder: Path) -> Path:
    """Align the words of all pairs with eflomal and write the links to a file.

    eflomal samples at random, so that two calls differ a little. The two directions are combined by
    grow-diag-final-and.

    Args:
        pairs: Words of the source and the pivot sentence of each pair.
        folder: Existing folder for the result and temporary files.

    Returns:
        ``folder/links``, a Pharaoh file with one line per pair.

    Raises:
        UsageError: If eflomal is not installed.
        DataError: If eflomal fails, with the last line that it printed.

    References:
        Östling and Tiedemann (2016), "Efficient Word Alignment with Markov Chain Monte Carlo".
        https://doi.org/10.1515/pralin-2016-0013
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
    flags += [f"--{name}-links={files[name]}" for name in ("forward", "reverse")]
    done = subprocess.run([command, *flags], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it printed no message"]
        raise DataError(f"{COMMAND} failed with exit code {done.returncode}: {lines[-1]}")
    directions = [read_links(files[name]) for name in ("forward", "reverse")]
    symmetrised = (grow_diag_final_and(*pair) for pair in zip(*directions, strict=True))
    write_links(files["links"], symmetrised)
    for name in ("source", "target", "forward", "reverse"):
        files[name].unlink()
    return files["links"]
