from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.runs.table import columns_of


def names(languages: list[str], bitext: set[str], better: bool = True) -> list[str]:
    columns = columns_of(tuple(languages), "en", frozenset(bitext), better)
    return [column.name for column in columns]


@pytest.mark.parametrize("code", ["zh", "zh-CN", "zho_Hant", "cmn"])
def test_a_region_or_a_script_does_not_make_a_language_unseen(code: str) -> None:
    columns = columns_of(("en", "de", "fr", "th", "zh"), "en", frozenset({code, "deu_Latn"}), True)
    groups = {column.name: column.languages for column in columns}
    assert groups["with bitext"] == ("de", "zh") and groups["without bitext"] == ("fr", "th")


def test_languages_then_means_then_what_became_of_english() -> None:
    assert names(["en", "de", "es", "fr", "th"], {"de", "es"}) == [
        "en",
        "de",
        "es",
        "fr",
        "th",
        "mean",
        "without en",
        "with bitext",
        "without bitext",
        "gap",
        "en change",
    ]


@pytest.mark.parametrize(
    ("languages", "bitext", "means"),
    [
        (["de"], {"de"}, []),
        (["de", "es"], {"de", "es"}, ["mean"]),
        (["de", "es"], set(), ["mean"]),
        (["de", "es", "fr"], {"de", "es"}, ["mean", "with bitext"]),
        (["en"], set(), []),
        (["en", "de"], {"de"}, ["mean", "gap", "en change"]),
        (["en", "de", "es"], {"de", "es"}, ["mean", "without en", "gap", "en change"]),
    ],
)
def test_no_column_is_repeated(languages: list[str], bitext: set[str], means: list[str]) -> None:
    assert names(languages, bitext) == [*languages, *means]


def test_variants_of_a_language_belong_to_it() -> None:
    columns = columns_of(("de", "es-MX", "fr"), "en", frozenset({"es", "de"}), True)
    assert [c.languages for c in columns if c.name == "with bitext"] == [("de", "es-MX")]


def test_names_of_sets_are_no_languages() -> None:
    assert names(["enes", "xlwa-enru", "zhen"], {"es"}) == ["enes", "xlwa-enru", "zhen", "mean"]


@given(
    st.lists(st.sampled_from(["en", "de", "es", "fr", "th"]), min_size=1, unique=True),
    st.sets(st.sampled_from(["de", "es", "fr"])),
    st.booleans(),
)
def test_groups_part_the_languages(
    languages: list[str], bitext: set[str], higher_is_better: bool
) -> None:
    columns = columns_of(tuple(languages), "en", frozenset(bitext), higher_is_better)
    means = {c.name: set(c.languages) for c in columns if c.kind == "mean"}
    for name, other in product(means, means):
        assert (means[name] == means[other]) == (name == other)
    seen = means.get("with bitext", set())
    assert "en" not in seen and seen <= bitext
    assert not means.get("without bitext", set()) & bitext
    sign = 1 if higher_is_better else -1
    assert all(c.better == (-sign if c.kind == "gap" else sign) for c in columns)
