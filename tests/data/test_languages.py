import pytest

from otx.data.languages import two_letters


@pytest.mark.parametrize(
    ("code", "short"),
    [
        ("deu", "de"), ("cmn", "zh"), ("zho-CN", "zh"), ("zho-TW", "zh-TW"), ("arb", "ar"), ("swh", "sw"),
        ("swa", "sw"), ("pes", "fa"), ("ell", "el"), ("srp-Latn", "sr-Latn"), ("de", "de"), ("ceb", "ceb"),
        ("zh_CN", "zh"), ("deu_Latn", "de-Latn"),
    ],
)  # fmt: skip
def test_codes(code: str, short: str) -> None:
    assert two_letters(code) == short
