from collections.abc import Callable
from pathlib import Path

import pytest

from otx.errors import DataError
from otx_tasks.parallel import find_parallel, read_parallel

Write = Callable[[str, str], Path]
NTREX = "de es fr ru ar zh hi vi el tr th bg ro sw ur ja ko"


def test_the_names_that_data_sets_use(write: Write, tmp_path: Path) -> None:
    for name in (
        "tatoeba.deu-eng.deu.gz", "tatoeba.deu-eng.eng.gz",
        "mine.en-fr.en", "mine.en-fr.fr", "es-en.es", "es-en.en",
        "newstest2019-src.eng.txt", "newstest2019-ref.zho-CN.txt", "newstest2019-ref.arb.txt.gz",
        "held.en.txt", "held.ru.txt",
        "README.md", "notes.txt", "ru-fr.ru", "heldout.en-de.gold",
    ):  # fmt: skip
        write(name, "line\n")
    found = find_parallel(tmp_path)
    assert {k: (v.source.name, v.pivot.name, v.many_way) for k, v in found.items()} == {
        "de": ("tatoeba.deu-eng.deu.gz", "tatoeba.deu-eng.eng.gz", False),
        "fr": ("mine.en-fr.fr", "mine.en-fr.en", False),
        "es": ("es-en.es", "es-en.en", False),
        "zh": ("newstest2019-ref.zho-CN.txt", "newstest2019-src.eng.txt", True),
        "ar": ("newstest2019-ref.arb.txt.gz", "newstest2019-src.eng.txt", True),
        "ru": ("held.ru.txt", "held.en.txt", True),
    }


def test_plain_and_packed_are_one_set(write: Write, tmp_path: Path) -> None:
    for name in ("en-de.en", "en-de.de", "en-de.de.gz"):
        write(name, "line\n")
    assert find_parallel(tmp_path)["de"].source.name == "en-de.de"


def test_what_is_missing_or_ambiguous_is_named(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no line-aligned files"):
        find_parallel(tmp_path)
    write("a.en-de.de", "x\n")
    with pytest.raises(DataError, match=r"English side is missing.*a\.en-de\.en"):
        find_parallel(tmp_path)
    for name in ("a.en-de.en", "b.en-de.de", "b.en-de.en"):
        write(name, "x\n")
    with pytest.raises(DataError, match=r"two sets for de: a\.en-de\.de and b\.en-de\.de"):
        find_parallel(tmp_path)


def test_lines_that_do_not_pair_up(write: Write, tmp_path: Path) -> None:
    write("en-de.en", "a\nb\n")
    write("en-de.de", "a\n")
    with pytest.raises(DataError, match=r"has 1 lines and .* has 2"):
        read_parallel(find_parallel(tmp_path)["de"])
    write("en-de.de", "a\n \n")
    with pytest.raises(DataError, match=r"en-de\.de:2: empty line"):
        read_parallel(find_parallel(tmp_path)["de"])


def test_only_many_way_lines_share_their_names(write: Write, tmp_path: Path) -> None:
    for name in ("h.en.txt", "h.de.txt", "h.fr.txt", "ru-en.ru", "ru-en.en"):
        write(name, "a\nb\n")
    found = find_parallel(tmp_path)
    clusters = {k: [(e.id, e.cluster) for e in read_parallel(f)] for k, f in found.items()}
    assert clusters["de"] == clusters["fr"] == [("1", "1"), ("2", "2")]
    assert clusters["ru"] == [("ru:1", "ru:1"), ("ru:2", "ru:2")]


def test_real_files(shared_data: Path) -> None:
    tatoeba = find_parallel(shared_data / "retrieval" / "tatoeba")
    assert len(tatoeba) == 34
    counts = {language: len(read_parallel(files)) for language, files in tatoeba.items()}
    few = {"jv": 205, "ka": 746, "kk": 575, "ml": 687, "sw": 390, "ta": 307, "te": 234, "th": 548}
    assert counts == dict.fromkeys(counts, 1000) | few
    ntrex = find_parallel(shared_data / "retrieval" / "ntrex")
    assert sorted(ntrex) == sorted(NTREX.split())
    assert {len(read_parallel(files)) for files in ntrex.values()} == {1997}
