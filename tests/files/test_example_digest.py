from otx.files.example_digest import digest
from otx.types import Example


def test_digest_sees_every_part() -> None:
    base = Example("a", "1", {"x": "y"})
    others = [
        Example("b", "1", {"x": "y"}),
        Example("a", "2", {"x": "y"}),
        Example("a", "1", {"x": "z"}),
    ]
    digests = {
        digest([base]),
        digest([base, base]),
        digest([base], 1),
        *(digest([o]) for o in others),
    }
    assert len(digests) == 6
    assert digest([base]) == digest([Example("a", "1", {"x": "y"})])
