"""A cache of their own, small files, corpora in memory and a transparent encoder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from otx.types import Pair, TokenRow


class Listed:
    """A corpus as a third party might write one: the protocol and nothing more."""

    def __init__(
        self,
        pairs: Any,
        languages: Any = ("de", "en"),
        pretokenised: bool = False,
        links: Any = None,
        name: str = "listed",
    ) -> None:
        self.pairs = [Pair(source, pivot, line) for line, (source, pivot) in enumerate(pairs, 1)]
        self.name = name
        self.source_language, self.pivot_language = languages
        self.pretokenised = pretokenised
        self.given = links
        self.refused = []

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        return self.pairs[index]

    def fingerprint(self) -> str:
        return str(hash((tuple(self.pairs), self.source_language)))

    def problems(self) -> Any:
        return self.refused

    def links(self) -> Any:
        return self.given


class LetterEncoder:
    """One sub-word a letter, words at white space, 1 before, 2 after; 0 is the unknown one, ``?``."""

    def __init__(self, max_length: int = 100, marker: str = "a") -> None:
        self.max_length = max_length
        self.calls = 0
        self.tokenizer = SimpleNamespace(
            unk_token_id=0,
            backend_tokenizer=SimpleNamespace(
                to_str=lambda: json.dumps({"truncation": self.calls, "model": marker})
            ),
        )

    def tokenise(
        self, texts: Sequence[str], *, pretokenised: bool = False, max_length: int | None = None
    ) -> list[TokenRow]:
        self.calls += 1
        limit = self.max_length if max_length is None else min(max_length, self.max_length)
        return [self._row(text, limit) for text in texts]

    def _row(self, text: str, limit: int) -> TokenRow:
        ids, index, words = [1], [-1], text.split()
        for number, word in enumerate(words):
            if len(ids) + len(word) + 1 > limit:
                return TokenRow([*ids, 2], [*index, -1], number, len(words) - number)
            ids += [0 if letter == "?" else ord(letter) for letter in word]
            index += [number] * len(word)
        return TokenRow([*ids, 2], [*index, -1], len(words), 0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """otx's cache folder, in tmp."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("OTX_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def corpus() -> type[Listed]:
    return Listed


@pytest.fixture(scope="session")
def encoder() -> type[LetterEncoder]:
    return LetterEncoder


@pytest.fixture
def files(tmp_path: Path) -> Callable[[bytes, bytes], tuple[Path, Path]]:
    """Write two files' bytes as x.de and x.en."""

    def write(source: bytes, pivot: bytes) -> tuple[Path, Path]:
        paths = tmp_path / "x.de", tmp_path / "x.en"
        for path, content in zip(paths, (source, pivot), strict=True):
            path.write_bytes(content)
        return paths

    return write
