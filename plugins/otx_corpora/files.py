"""The corpus ``files``: bitext in two line-aligned files or in one file, plain or ``.gz``.

``--corpus`` takes:

- ``path/en-de``: path/en-de.en and path/en-de.de, or .en.gz and .de.gz (the plain file goes first);
- ``path/train``: the same, if there are exactly two files path/train.XX;
- ``a.en,b.de``: two files whose names end in their language;
- ``en:a.txt,de:b.txt``: two other files;
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
from otx_corpora.languages import looks_like_language, source_language
from otx_corpora.options import FilesOptions
from otx_corpora.tables import is_table, open_table
from otx_corpora.tmx import is_tmx, open_tmx

_REMEDY = "write path/en-de for path/en-de.en and path/en-de.de, or en:FILE,de:FILE"


def open_corpora(spec: str, options: FilesOptions, pivot: str) -> list[Corpus]:
    """Open the corpus that a spec names.

    Args:
        spec: What ``--corpus`` takes, as listed above.
        options: Options of ``files``.
        pivot: The pivot language.

    Returns:
        One corpus; for a translation memory or a table of several languages, one per language pair.

    Raises:
        UsageError: If the spec does not determine two files and their languages.
        DataError: If a file does not exist or cannot be read, or if the files have unequal line counts.
    """
    if is_tmx(spec):
        return open_tmx(spec, options, pivot)
    if is_table(spec):
        return open_table(spec, options, pivot)
    files = _two_files(spec) if "," in spec else _by_prefix(spec)
    if len(files) != 2:
        raise UsageError(f"corpus {spec} has one language on both sides", _REMEDY)
    first, second = files
    source = source_language(pivot, (first, second), f"corpus {spec}")
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
    """Return the file of each language of ``en:a.txt,de:b.txt`` or ``a.en,b.de``."""
    parts = spec.split(",")
    if len(parts) != 2:
        raise UsageError(f"corpus {spec} names {len(parts)} files, expected 2", _REMEDY)
    files = {}
    for part in parts:
        language, colon, path = part.partition(":")
        if not (colon and looks_like_language(language)):
            language, path = _suffix(Path(part)), part
        if not looks_like_language(language):
            raise UsageError(f"the name of corpus file {part} has no language", _REMEDY)
        if not Path(path).is_file():
            raise DataError(f"corpus file {path} does not exist", _REMEDY)
        files[language] = Path(path)
    return files


def _by_prefix(spec: str) -> dict[str, Path]:
    """Return the file of each language, of the two files that begin with ``spec``."""
    prefix = Path(spec)
    named = prefix.name.split("-")
    if len(named) == 2 and all(looks_like_language(language) for language in named):
        return {language: _side(spec, language) for language in named}
    candidates = prefix.parent.glob(f"{glob.escape(prefix.name)}.*")
    languages = sorted({_suffix(path) for path in candidates if _is_side(path, prefix)})
    if len(languages) != 2:
        count = f"there are {', '.join(languages)}" if languages else "there is none"
        raise UsageError(f"corpus {spec} needs two files {spec}.LANGUAGE; {count}", _REMEDY)
    return {language: _side(spec, language) for language in languages}


def _side(prefix: str, language: str) -> Path:
    path = Path(f"{prefix}.{language}")
    file = find_plain_or_gz(path)
    if file is None:
        raise DataError(f"corpus {prefix}: there is no file {path} or {path}.gz", _REMEDY)
    return file


def _suffix(path: Path) -> str:
    """Return the last part of a name, apart from ``.gz``: ``de`` of ``x.de.gz``."""
    return path.name.removesuffix(".gz").rpartition(".")[2]


def _is_side(path: Path, prefix: Path) -> bool:
    language = _suffix(path)
    whole = path.name.removesuffix(".gz") == f"{prefix.name}.{language}"
    return whole and looks_like_language(language) and path.is_file()
