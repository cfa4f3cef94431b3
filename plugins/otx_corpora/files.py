"""``files``: bitext in two line-aligned files or in one, plain or ``.gz``.

What may be written after ``--corpus``:

- ``path/en-de``: path/en-de.en and path/en-de.de, or .en.gz and .de.gz (a plain file goes first);
- ``path/train``: the same where exactly two files path/train.XX lie there;
- ``a.en,b.de``: two files that say their language;
- ``en:a.txt,de:b.txt``: two files that do not;
- ``memory.tmx``: a translation memory, see ``otx_corpora.tmx``;
- ``pairs.en-de.tsv``, ``pairs.jsonl``: one file with both sides, see ``otx_corpora.tables``.
"""

from __future__ import annotations

import glob
from pathlib import Path

from otx.data.bitext import read_bitext
from otx.data.encodings import known_encoding
from otx.errors import DataError, UsageError
from otx.files.reading import find_plain_or_gz
from otx.interfaces import Corpus
from otx_corpora import FilesOptions
from otx_corpora.languages import looks_like_language, source_beside
from otx_corpora.tables import is_table, open_table
from otx_corpora.tmx import is_tmx, open_tmx

_REMEDY = "write path/en-de for path/en-de.en and path/en-de.de, or en:FILE,de:FILE"


def open_corpora(spec: str, options: FilesOptions, pivot: str) -> list[Corpus]:
    """The one corpus that ``spec`` names; of a translation memory or a wide table, one a language pair.

    Raises UsageError when the spec does not say two files and their languages, DataError when they
    are not there or do not fit together.
    """
    if is_tmx(spec):
        return open_tmx(spec, options, pivot)
    if is_table(spec):
        return open_table(spec, options, pivot)
    files = _two_files(spec) if "," in spec else _by_prefix(spec)
    if len(files) != 2:
        raise UsageError(f"corpus {spec} has one language on both sides", _REMEDY)
    first, second = files
    source = source_beside(pivot, (first, second), f"corpus {spec}")
    return [
        read_bitext(
            files[source],
            files[pivot],
            languages=(source, pivot),
            name=spec,
            pretokenised=options.pretokenised,
            max_characters=options.max_characters,
            encoding=known_encoding(options.encoding, "files.encoding"),
        )
    ]


def _two_files(spec: str) -> dict[str, Path]:
    """Language -> file, of ``en:a.txt,de:b.txt`` or ``a.en,b.de``."""
    parts = spec.split(",")
    if len(parts) != 2:
        raise UsageError(f"corpus {spec} names {len(parts)} files", _REMEDY)
    files = {}
    for part in parts:
        language, colon, path = part.partition(":")
        if not (colon and looks_like_language(language)):
            language, path = _suffix(Path(part)), part
        if not looks_like_language(language):
            raise UsageError(f"corpus file {part} does not say its language", _REMEDY)
        if not Path(path).is_file():
            raise DataError(f"corpus file {path} does not exist")
        files[language] = Path(path)
    return files


def _by_prefix(spec: str) -> dict[str, Path]:
    """Language -> file, of the two files that begin with ``spec``."""
    prefix = Path(spec)
    named = prefix.name.split("-")
    if len(named) == 2 and all(looks_like_language(language) for language in named):
        return {language: _existing(spec, language) for language in named}
    beside = prefix.parent.glob(f"{glob.escape(prefix.name)}.*")
    found = sorted({_suffix(path) for path in beside if _is_side(path, prefix)})
    if len(found) != 2:
        there = f"there are {', '.join(found)}" if found else "there is none"
        raise UsageError(f"corpus {spec} needs two files {spec}.LANGUAGE; {there}", _REMEDY)
    return {language: _existing(spec, language) for language in found}


def _existing(prefix: str, language: str) -> Path:
    path = Path(f"{prefix}.{language}")
    file = find_plain_or_gz(path)
    if file is None:
        raise DataError(f"corpus {prefix}: there is no file {path} or {path}.gz", _REMEDY)
    return file


def _suffix(path: Path) -> str:
    """What comes last in the name, ``.gz`` aside: ``de`` of ``x.de.gz``."""
    return path.name.removesuffix(".gz").rpartition(".")[2]


def _is_side(path: Path, prefix: Path) -> bool:
    language = _suffix(path)
    whole = path.name.removesuffix(".gz") == f"{prefix.name}.{language}"
    return whole and looks_like_language(language) and path.is_file()
