from collections.abc import Callable
from pathlib import Path

import pytest

from otx.errors import DataError
from otx_tasks.probes.parallel_files import find_parallel, read_parallel

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


@pytest.mark.parametrize(
    ("head", "foreign", "english", "language"),
    [
        ("x.en-zh-CN", "zh-CN", "en", "zh"),
        ("x.zh-CN-en", "zh-CN", "en", "zh"),
        ("x.en-zh_TW", "zh_TW", "en", "zh-TW"),
        ("pt_BR-en", "pt_BR", "en", "pt-BR"),
        ("x.en-GB-pt-BR", "pt-BR", "en-GB", "pt-BR"),
        ("flores_dev.eng_Latn-deu_Latn", "deu_Latn", "eng_Latn", "de-Latn"),
        ("zho_Hans-eng_Latn", "zho_Hans", "eng_Latn", "zh-Hans"),
        ("x.en-sr-Latn-RS", "sr-Latn-RS", "en", "sr-Latn-RS"),
        ("tatoeba.ceb-eng", "ceb", "eng", "ceb"),
    ],
)
def test_codes_with_regions_and_scripts(
    write: Write, tmp_path: Path, head: str, foreign: str, english: str, language: str
) -> None:
    for side in (foreign, english):
        write(f"{head}.{side}", "line\n")
    found = find_parallel(tmp_path)
    assert {k: (v.source.name, v.pivot.name) for k, v in found.items()} == {
        language: (f"{head}.{foreign}", f"{head}.{english}")
    }


def test_regions_of_one_language_are_languages_of_their_own(write: Write, tmp_path: Path) -> None:
    for code in ("en", "en-GB", "pt-BR", "pt-PT", "zh_CN", "zh_TW"):
        write(f"held.{code}.txt", "line\n")
    for code in ("en", "fr-CA"):
        write(f"x.en-fr-CA.{code}", "line\n")
    assert sorted(find_parallel(tmp_path)) == ["fr-CA", "pt-BR", "pt-PT", "zh", "zh-TW"]


def test_plain_and_packed_are_one_set(write: Write, tmp_path: Path) -> None:
    for name in ("en-de.en", "en-de.de", "en-de.de.gz"):
        write(name, "line\n")
    assert find_parallel(tmp_path)["de"].source.name == "en-de.de"


def test_what_is_missing_or_ambiguous_is_named(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no line-aligned files"):
        find_parallel(tmp_path)
    for there, missing in (("de", "en"), ("en", "de")):
        path = write(f"a.en-de.{there}", "x\n")
        wanted = rf"a\.en-de\.{there}: its other side is missing.*a\.en-de\.{missing}"
        with pytest.raises(DataError, match=wanted):
            find_parallel(tmp_path)
        path.unlink()
    write("a.en-de.de", "x\n")
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
