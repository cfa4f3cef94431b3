"""Archives of results: pack finished cells into one file, and put them back into the study's folder."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from otx.errors import DataError
from otx.files import atomic
from scripts.laboratory.records import ENDING, FAILED
from scripts.laboratory.study import Study

LARGEST = 16 * 2**20
"""Maximum size of an archive in bytes: what a machine may return as one file."""


def write_archive(path: Path, files: Iterable[Path]) -> int:
    """Write files into one archive, complete or not at all.

    Args:
        path: The archive.
        files: Result files; only their names are stored.

    Returns:
        The size of the archive in bytes.

    Raises:
        DataError: If the archive would be larger than ``LARGEST``.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in sorted(files):
            entry = tarfile.TarInfo(file.name)
            entry.size = file.stat().st_size
            archive.addfile(entry, io.BytesIO(file.read_bytes()))
    content = buffer.getvalue()
    if len(content) > LARGEST:
        raise DataError(
            f"{path} would have {len(content) / 2**20:.1f} MiB, above 16", "run for fewer minutes"
        )
    atomic.write(path, content)
    return len(content)


def collect(study: Study, path: Path) -> list[str]:
    """Put the cells of an archive into the study's results.

    Args:
        study: The study.
        path: The archive.

    Returns:
        Names of the finished cells, sorted.

    Raises:
        DataError: If the archive cannot be read, or contains a file that is no cell of the study.
    """
    known = {f"{c.name}{ending}": c.name for c in study.cells for ending in (ENDING, FAILED)}
    try:
        with tarfile.open(path) as archive:
            contents = {m.name: _read(archive, m) for m in archive.getmembers()}
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{path} is not an archive of results: {error}") from error
    for name in contents:
        if name not in known:
            raise DataError(f"{path} contains {name}, no cell of study {study.name}")
    for name, content in contents.items():
        if name.endswith(FAILED) and (study.results / f"{known[name]}{ENDING}").exists():
            continue
        atomic.write(study.results / name, content)
        if name.endswith(ENDING):
            (study.results / f"{known[name]}{FAILED}").unlink(missing_ok=True)
    return sorted(known[name] for name in contents if name.endswith(ENDING))


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    if file is None:
        raise tarfile.TarError(f"{member.name} is not a file")
    content = file.read()
    if member.name.endswith(ENDING):
        gzip.decompress(content)  # refuses a damaged file before anything is written
    return content
