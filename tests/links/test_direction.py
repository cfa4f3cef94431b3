"""The direction of links: of a name, of two files, and whether links are swapped."""

import pytest

from otx.errors import UsageError
from otx.links.direction import is_swapped, ordered


@pytest.mark.parametrize(
    "name",
    [
        "en-es", "data/en-es", "es-en/en-es", "opus.en-es", "news_en-es", "en_es", "EN-ES", "enes", "en-es.tmx#es",
        "memory.en-es.tmx.gz", "org/set#en-es", "org/set#en-es@0123abc", "a.en,a.es", "en:x,es:y", "a.en.gz,a.es.gz",
        "en-es.en,en-es.es", "es-en.en,es-en.es", "sample en-es",
    ],
)  # fmt: skip
def test_links_follow_the_order_of_the_name(name: str) -> None:
    assert ordered([name], ("es", "en")) == ordered([name], ("en", "es")) == ("en", "es")


@pytest.mark.parametrize(
    "name", ["train", "en-es/train", "seven-especially", "en-esx", "den-es", "a,b", "a.en,b.de"]
)
def test_a_name_without_an_order_leaves_the_order(name: str) -> None:
    assert ordered([name], ("es", "en")) == ("es", "en")
    assert ordered([name], ("en", "es")) == ("en", "es")


def test_the_first_name_with_an_order_decides() -> None:
    assert ordered(["train", "x en-es"], ("es", "en")) == ("en", "es")
    assert ordered(["es-en", "x en-es"], ("en", "es")) == ("es", "en")


def test_codes_with_regions() -> None:
    assert ordered(["en-zh-CN"], ("zh-CN", "en")) == ("en", "zh-CN")
    assert ordered(["zh_CN-en"], ("en", "zh_CN")) == ("zh_CN", "en")


def test_what_is_swapped() -> None:
    assert is_swapped("en-es", ("es", "en"), "x")
    assert not is_swapped("es-en", ("es", "en"), "x")
    with pytest.raises(UsageError, match="x: the direction en-fr is not one of es and en"):
        is_swapped("en-fr", ("es", "en"), "x")
