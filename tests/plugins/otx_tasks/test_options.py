from typing import Any

import pytest

from otx.config.settings import load_settings
from otx.config.validation import SettingError
from otx.errors import UsageError
from otx_tasks.classification.options import XnliOptions
from otx_tasks.probes.options import RetrievalOptions, WordAlignmentOptions
from otx_tasks.qa.options import XquadOptions


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (RetrievalOptions, {"neighbours": 0}),
        (WordAlignmentOptions, {"index_base": 2}),
        (WordAlignmentOptions, {"epsilon": 0.0}),
        (XquadOptions, {"train_limit": 0}),
        (XquadOptions, {"stride": 0}),
        (XquadOptions, {"lr": float("nan")}),
        (XnliOptions, {"warmup": 1.0}),
        (XnliOptions, {"weight_decay": -1.0}),
    ],
)
def test_impossible_values_are_named(kind: Any, values: dict[str, Any]) -> None:
    (name,) = values
    with pytest.raises(SettingError, match="must be") as caught:
        kind(**values)
    assert caught.value.field == name


def test_a_value_out_of_range_is_named_with_its_origin() -> None:
    settings = load_settings(sets=["xquad.epochs=0"])
    with pytest.raises(UsageError, match=r"^--set: xquad\.epochs must be above 0, not 0$"):
        settings.read_options("xquad", XquadOptions)
