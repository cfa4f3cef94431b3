from __future__ import annotations

from typing import Any

import pytest

from otx.config.validation import SettingError
from otx_corpora.options import FilesOptions, HubOptions


@pytest.mark.parametrize("options", [FilesOptions, HubOptions])
def test_a_limit_below_one_is_refused(options: Any) -> None:
    with pytest.raises(SettingError, match="must be above 0, not 0"):
        options(max_characters=0)


@pytest.mark.parametrize("columns", [("en:a",), ("a", "b"), ("en:a", "de:b", "fr:c")])
def test_columns_are_two_with_their_languages(columns: tuple[str, ...]) -> None:
    with pytest.raises(SettingError, match="must be two"):
        HubOptions(columns=columns)
    assert HubOptions(columns=("en:a", "de:b.c")).columns
