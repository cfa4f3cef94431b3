"""The record beside a file of links: it reads back, may be written by hand, and is checked."""

import json
from pathlib import Path

import pytest

from otx.errors import DataError
from otx.links.sidecar import LinksRecord, read_record, record_path, write_record


def test_a_record_reads_back(tmp_path: Path) -> None:
    record = LinksRecord("en-es", 0, "en-es", "0123", 7)
    write_record(tmp_path / "links", record)
    assert read_record(tmp_path / "links") == record
    # Links may be packed once they are whole.
    assert read_record(tmp_path / "links.gz") == record
    assert record_path(tmp_path / "links.gz") == tmp_path / "links.json"


def test_links_may_have_no_record(tmp_path: Path) -> None:
    assert read_record(tmp_path / "links") is None


def test_a_record_by_hand_needs_a_direction_only(tmp_path: Path) -> None:
    (tmp_path / "links.json").write_text('{"direction": "en-es", "note": "mine"}')
    assert read_record(tmp_path / "links") == LinksRecord("en-es")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", '"direction" is not a text'),
        ('{"direction": 3}', '"direction" is not a text'),
        (json.dumps({"direction": "en-es", "index_base": 2}), '"index_base" is neither 0 nor 1'),
        (json.dumps({"direction": "en-es", "index_base": True}), '"index_base" is neither 0 nor 1'),
        (json.dumps({"direction": "en-es", "index_base": [0]}), '"index_base" is neither 0 nor 1'),
        (json.dumps({"direction": "en-es", "corpus_digest": 1}), '"corpus_digest" is not a text'),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "links.json").write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_record(tmp_path / "links")
    assert "links.json" in caught.value.message
