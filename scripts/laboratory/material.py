"""The study's data: drawn once from a data folder, the same files on every machine, each with its digest."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from otx.errors import DataError
from otx.files import atomic
from scripts.draw_lines import draw
from scripts.laboratory.study import Bitext, Study, Training

MANIFEST = "manifest.json"
BITEXT, ALIGNING = "bitext", "aligning"
"""Parts of the data besides the tasks: training pairs, and the files of ``Study.copy``."""

Manifest = dict[str, dict[str, Any]]
"""For each file: the parts of the study that it belongs to, SHA-256, bytes and rows."""


def draw_material(study: Study, data: Path | None, folder: Path) -> Manifest:
    """Write the study's data into a folder.

    Args:
        study: The study.
        data: Folder to draw the data from; None if the study draws none.
        folder: Folder to write. Its files depend only on the study and on ``data``.

    Returns:
        The manifest.

    Raises:
        DataError: If a file is not in ``data``.
    """
    if data is None and _needs_data(study):
        raise DataError(f"study {study.name} draws its data from a folder", "give it with --data")
    manifest: Manifest = {}
    for part, name, content in _files(study, data or Path()):
        if name in manifest:
            manifest[name]["parts"].append(part)
            continue
        atomic.write(folder / name, content)
        manifest[name] = {"parts": [part], **describe(content)}
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    atomic.write(folder / MANIFEST, text.encode())
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read and verify the manifest of a folder.

    Args:
        folder: Folder of a study's data.

    Returns:
        The manifest.

    Raises:
        DataError: If there is no manifest, or a file has changed since it was written.
    """
    try:
        manifest: Manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name, known in manifest.items():
            if describe((folder / name).read_bytes())["sha256"] != known["sha256"]:
                raise DataError(f"{folder / name} has changed", "unpack or draw the data again")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} is not the data of a study: {error}", "unpack or draw it again"
        ) from error
    return manifest


def describe(content: bytes) -> dict[str, Any]:
    """Return digest, bytes and rows of a file.

    Args:
        content: Content of the file. Its rows are its questions, or else its lines.
    """
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "rows": content.count(b'"question"') or content.count(b"\n"),
    }


def digests_of(manifest: Manifest, parts: Sequence[str]) -> dict[str, str]:
    """Return the digests of the files that belong to some parts of the study.

    Args:
        manifest: The manifest.
        parts: Names of parts.
    """
    chosen = set(parts)
    return {name: file["sha256"] for name, file in manifest.items() if chosen & set(file["parts"])}


def _needs_data(study: Study) -> bool:
    tasks = study.tasks.values()
    return bool(study.bitext or study.copy or any(t.copy or t.train or t.pairs for t in tasks))


def _files(study: Study, data: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield (part, name, content) of every file; a file of two parts is yielded twice."""
    if study.bitext is not None:
        for name, content in _bitext(study.bitext, data, BITEXT):
            yield BITEXT, name, content
    for name, content in _copied(study.copy, data):
        yield ALIGNING, name, content
    for part, task in study.tasks.items():
        for name, content in _copied(task.copy, data):
            yield part, name, content
        if task.pairs is not None:
            for name, content in _bitext(task.pairs, data, str(task.data)):
                yield part, name, content
        if task.train is not None:
            yield part, task.train.output, _training(task.train, data)


def _bitext(bitext: Bitext, data: Path, folder: str) -> Iterator[tuple[str, bytes]]:
    for language, longest in bitext.languages.items():
        lines: list[str] = []
        for source in bitext.sources:
            prefix = f"bitext/{source}/en-{language}"
            if _place(data, f"{prefix}.en") is None:
                continue
            sides = (_read(data, f"{prefix}.{side}").split("\n") for side in ("en", language))
            lines += ["\t".join(pair) for pair in zip(*sides, strict=True)]
        pairs = draw(lines, 0, bitext.pairs, longest)
        if not pairs:
            raise DataError(f"{data}/bitext has no pairs of en and {language}", "correct --data")
        for side, column in zip(("en", language), zip(*pairs, strict=True), strict=True):
            yield f"{folder}/en-{language}.{side}", ("\n".join(column) + "\n").encode()


def _copied(patterns: Sequence[str], data: Path) -> Iterator[tuple[str, bytes]]:
    for pattern in patterns:
        names = {
            path.relative_to(data).as_posix().removesuffix(".gz")
            for spelling in (pattern, f"{pattern}.gz")
            for path in data.glob(spelling)
        }
        if not names:
            raise DataError(f"{data}: no file matches {pattern}", "correct --data or the study")
        for name in sorted(names):
            yield name, _read(data, name).encode()


def _training(training: Training, data: Path) -> bytes:
    """Draw whole groups in the order of their hash until there are ``count`` examples."""
    kinds = {"nli": _draw_nli, "squad": _draw_squad}
    if training.kind not in kinds:
        raise DataError(f"no training file of kind '{training.kind}'", "write nli or squad")
    return kinds[training.kind]([_read(data, name) for name in training.files], training.count)


def _draw_nli(texts: Sequence[str], count: int) -> bytes:
    groups: dict[str, list[str]] = {}
    for text in texts:
        for line in text.split("\n"):
            if line:
                groups.setdefault(line.split("\t")[0], []).append(line)
    drawn = [line for premise in sorted(groups, key=_rank) for line in groups[premise]]
    return ("\n".join(drawn[:count]) + "\n").encode()


def _draw_squad(texts: Sequence[str], count: int) -> bytes:
    articles: dict[str, dict[str, list[Any]]] = {}
    for text in texts:
        for article in json.loads(text)["data"]:
            for paragraph in article["paragraphs"]:
                contexts = articles.setdefault(article["title"], {})
                contexts.setdefault(paragraph["context"], []).extend(paragraph["qas"])
    order = sorted(
        ((title, context) for title, contexts in articles.items() for context in contexts),
        key=lambda place: _rank(place[1]),
    )
    kept: dict[str, list[dict[str, Any]]] = {}
    left = count
    for title, context in order:
        questions = articles[title][context][:left]
        left -= len(questions)
        kept.setdefault(title, []).append({"context": context, "qas": questions})
        if left == 0:
            break
    data = [{"title": title, "paragraphs": texts} for title, texts in sorted(kept.items())]
    return (json.dumps({"version": "1.1", "data": data}, ensure_ascii=False) + "\n").encode()


def _rank(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _place(data: Path, name: str) -> Path | None:
    return next((p for p in (data / name, data / f"{name}.gz") if p.is_file()), None)


def _read(data: Path, name: str) -> str:
    path = _place(data, name)
    if path is None:
        raise DataError(f"{data / name}: no such file, plain or gz", "correct --data or the study")
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
