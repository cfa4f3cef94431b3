"""A pack: the files that a machine without network needs to run a study.

``manifest.json`` (digests of everything), ``data.tar.xz`` (the study's data, and the encoder's small files),
``encoder.q4`` (an encoder reduced to the study's vocabulary, in 4-bit blocks) and ``wheels/``; as a folder or one
uncompressed ``.tar``.
"""

from __future__ import annotations

import json
import lzma
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otx.errors import DataError
from otx.files.digests import file_digest
from otx_encoders.e5_small import CARD, packed_file
from otx_encoders.e5_small.folder import WEIGHTS, write_folder, write_weights
from otx_encoders.e5_small.packed import read_packed, write_packed
from otx_encoders.e5_small.tokenizer import build_tokenizer
from scripts.laboratory.identity import model_digest
from scripts.laboratory.keys import drawing_of
from scripts.laboratory.material import Manifest, draw_material, read_manifest
from scripts.laboratory.site import import_path
from scripts.laboratory.study import Study
from scripts.laboratory.vocabulary import (
    first_difference,
    reduce_vocabulary,
    texts_of,
    used_pieces,
)

PACK, DATA, ENCODER, WHEELS = "manifest.json", "data.tar.xz", "encoder.q4", "wheels"
"""Files and folder of a pack."""
MATERIAL, FOLDER = "data", "encoder"
"""Folders of an unpacked pack: the study's data and the encoder."""
LARGEST = 40 * 2**20
"""Maximum size of a pack, in bytes."""
PACKABLE = "e5-small"
"""The encoder that is packed; any other must already be on the machine."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An unpacked pack.

    Attributes:
        material: Folder of the study's data.
        manifest: Manifest of the data.
        model: Folder of the encoder; None if the pack has none.
        digest: Digest of the encoder; None if the pack has none.
        wheels: Folder of the wheels; None if the pack has none.
    """

    material: Path
    manifest: Manifest
    model: Path | None
    digest: str | None
    wheels: Path | None


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the table of contents.

    Attributes:
        name: Name of the part.
        rows: Number of rows.
        size: Bytes before packing.
        packed: Bytes in the pack.
    """

    name: str
    rows: int
    size: int
    packed: int


def pack(
    study: Study, data: Path | None, output: Path | None, wheels: Path | None, *, dry_run: bool
) -> None:
    """Print the parts with their rows and bytes, and write the pack.

    Args:
        study: The study.
        data: Folder to draw the study's data from.
        output: Folder or ``FILE.tar`` to write.
        wheels: Folder of wheels to include.
        dry_run: Print only, write nothing.

    Raises:
        DataError: If the pack would be larger than 40 MiB, or the reduced encoder tokenises a packed text differently.
    """
    with tempfile.TemporaryDirectory() as name:
        stage = Path(name)
        manifest = draw_material(study, data, stage / MATERIAL)
        parts = list(_data_parts(manifest, stage / MATERIAL))
        model: dict[str, Any] | None = None
        if study.model == PACKABLE:
            part, model = _stage_encoder(manifest, stage, packed_file())
            parts.append(part)
        _write_data(stage, study)
        (stage / WHEELS).mkdir()
        for wheel in sorted(wheels.glob("*.whl")) if wheels is not None else []:
            shutil.copy(wheel, stage / WHEELS)
            size = wheel.stat().st_size
            parts.append(Part(f"wheel {wheel.name.split('-')[0]}", 1, size, size))
        files = [DATA, *([ENCODER] if model else []), *_names(stage / WHEELS, stage)]
        total = sum((stage / file).stat().st_size for file in files)
        _show(parts, total)
        if dry_run:
            return
        if output is None:
            raise DataError("no output is given for the pack", "give --output DIR or FILE.tar")
        if total > LARGEST:
            raise DataError(
                f"the pack has {total / 2**20:.1f} MiB, above {LARGEST // 2**20}",
                "use fewer pairs, languages or training examples",
            )
        if model is not None:
            model["digest"] = model_digest(f"{PACKABLE}:{stage / FOLDER / PACKABLE}", import_path())
        digests = {file: file_digest(stage / file, "sha256") for file in files}
        content = {"drawing": drawing_of(study), "files": digests, "encoder": model}
        (stage / PACK).write_text(json.dumps(content, indent=1), encoding="utf-8")
        _write(stage, [PACK, *files], output)


def unpack(study: Study, source: Path, folder: Path) -> Unpacked:
    """Unpack a study's pack.

    Args:
        study: The study.
        source: The pack, a folder or ``.tar``.
        folder: Folder to unpack into; it is replaced unless it contains this pack already.

    Returns:
        The unpacked pack.

    Raises:
        DataError: If the study draws its data differently from when it was packed, if a file is missing or damaged, or
            if the unpacked encoder differs from the packed one.
    """
    content = json.loads(_read(source, PACK))
    if content["drawing"] != drawing_of(study):
        raise DataError(
            f"{source} contains other data than study {study.name} draws", "pack it again"
        )
    done = folder / PACK
    if not (done.exists() and json.loads(done.read_text(encoding="utf-8")) == content):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, digest in content["files"].items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_read(source, name))
            if file_digest(path, "sha256") != digest:
                raise DataError(f"{source}: {name} is damaged", "copy the pack again")
        with tarfile.open(folder / DATA, "r:xz") as archive:
            archive.extractall(folder, filter="data")
        if content["encoder"] is not None:
            _write_encoder(folder, content["encoder"])
        done.write_text(json.dumps(content), encoding="utf-8")
    model = content["encoder"]
    return Unpacked(
        folder / MATERIAL,
        read_manifest(folder / MATERIAL),
        None if model is None else folder / FOLDER / model["name"],
        None if model is None else model["digest"],
        folder / WHEELS if (folder / WHEELS).is_dir() else None,
    )


def _data_parts(manifest: Manifest, folder: Path) -> Iterator[Part]:
    """Yield one line for each part of the study; a file of several parts belongs to the first."""
    for name in dict.fromkeys(entry["parts"][0] for entry in manifest.values()):
        files = [file for file, entry in manifest.items() if entry["parts"][0] == name]
        content = b"".join((folder / file).read_bytes() for file in files)
        rows = sum(manifest[file]["rows"] for file in files)
        yield Part(name, rows, len(content), len(lzma.compress(content)))


def _stage_encoder(manifest: Manifest, stage: Path, source: Path) -> tuple[Part, dict[str, Any]]:
    """Write the reduced encoder as blocks and as a folder, and return its part and its record."""
    whole = read_packed(source)
    tokenizer = build_tokenizer(whole)

    def texts() -> Iterator[str]:
        for name in manifest:
            yield from texts_of(stage / MATERIAL / name)

    kept = used_pieces(whole, tokenizer, texts())
    reduced = reduce_vocabulary(whole, kept)
    differing = first_difference(tokenizer, build_tokenizer(reduced), kept, texts())
    if differing is not None:
        raise DataError(f"the reduced encoder tokenises a text differently: {differing[:80]!r}")
    write_packed(reduced, stage / ENCODER)
    folder = stage / FOLDER / PACKABLE
    folder.mkdir(parents=True)
    write_folder(reduced, folder, card(len(kept), len(whole.pieces)))
    digests = {path.name: file_digest(path, "sha256") for path in sorted(folder.iterdir())}
    size = (stage / ENCODER).stat().st_size
    return Part("encoder", len(kept), size, size), {"name": PACKABLE, "files": digests}


def card(kept: int, pieces: int) -> str:
    """Return the model card of a reduced encoder.

    Args:
        kept: Number of sub-words kept.
        pieces: Number of sub-words of the whole encoder.
    """
    return f"{CARD}\nReduced to {kept:,} of {pieces:,} sub-words: those of one study's texts.\n"


def _write_encoder(folder: Path, record: Mapping[str, Any]) -> None:
    """Write the Hugging Face folder: the packed tokenizer, and the weights from the blocks."""
    place = folder / FOLDER / record["name"]
    write_weights(read_packed(folder / ENCODER), place / WEIGHTS)
    for name, digest in record["files"].items():
        if file_digest(place / name, "sha256") != digest:
            raise DataError(
                f"{place / name} differs from the packed file", "pack with this version"
            )


def _write_data(stage: Path, study: Study) -> None:
    with tarfile.open(stage / DATA, "w:xz", preset=9) as archive:
        for name in _names(stage / MATERIAL, stage):
            archive.add(stage / name, name)
        for name in _names(stage / FOLDER, stage):
            if not name.endswith(WEIGHTS):
                archive.add(stage / name, name)


def _names(folder: Path, root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in folder.rglob("*") if p.is_file())


def _show(parts: Sequence[Part], total: int) -> None:
    print(f"{'part':<24} {'rows':>9} {'bytes':>12} {'packed':>12}")
    for part in parts:
        print(f"{part.name:<24} {part.rows:>9,} {part.size:>12,} {part.packed:>12,}")
    print(f"{total:,} bytes in all ({total / 2**20:.1f} MiB)", flush=True)


def _write(stage: Path, names: Sequence[str], output: Path) -> None:
    if output.suffix != ".tar":
        for name in names:
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(stage / name, output / name)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial = output.with_name(f".{output.name}")
        with tarfile.open(partial, "w") as archive:
            for name in names:
                archive.add(stage / name, name)
        partial.replace(output)
    print(f"Saved to {output}")


def _read(source: Path, name: str) -> bytes:
    try:
        if source.is_dir():
            return (source / name).read_bytes()
        with tarfile.open(source) as archive:
            member = archive.extractfile(name)
            if member is not None:
                return member.read()
    except (OSError, KeyError, tarfile.TarError) as error:
        raise DataError(f"{source} has no {name}: {error}", "pack the study again") from error
    raise DataError(f"{source}: {name} is not a file", "pack the study again")
