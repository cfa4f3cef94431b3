from typing import Any

import pytest

from otx.errors import UsageError
from otx_tasks.options import (
    RetrievalOptions,
    WordAlignmentOptions,
    XnliOptions,
    XquadOptions,
)


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
    with pytest.raises(UsageError, match=f"{next(iter(values))} is"):
        kind(**values)
