from __future__ import annotations

import pytest

from otx.errors import UsageError
from otx_corpora.languages import looks_like_language, source_language


@pytest.mark.parametrize("code", ["en", "deu", "zh-Hans", "pt_BR"])
def test_language_codes(code: str) -> None:
    assert looks_like_language(code)


@pytest.mark.parametrize("name", ["txt", "tok", "src", "origin", "EN", "", "1", "train"])
def test_other_parts_of_names(name: str) -> None:
    assert not looks_like_language(name)


def test_the_source_is_the_side_that_is_not_the_pivot() -> None:
    assert (
        source_language("en", ("en", "de"), "x") == source_language("en", ("de", "en"), "x") == "de"
    )
    with pytest.raises(UsageError, match=r"x has de and fr, but the pivot is en .*data\.pivot=de"):
        source_language("en", ("de", "fr"), "x")
