"""Check that an encoder keeps its interface."""

from __future__ import annotations

import copy
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from otx.data.words import word_index
from otx.errors import UsageError
from otx.interfaces import Encoder
from otx.testing.complaints import Passed, ignore, require
from otx.types import TokenBatch, TokenRow

TEXTS = (
    "One two three, four!",
    "Die Brücke über den  Fluss wurde 1931 vom Bürgermeister eröffnet.",
    "这座桥于1931年开通。",
    "สะพานเปิดในปี 1931",
    "a",
)
PRETOKENISED = "Nobody 's dog , it seems , barks at the well-known ( 1931 ) bridge ."
HEADS = (
    ("question-answering", ()),
    ("sequence-classification", ("yes", "no", "maybe")),
    ("token-classification", ("in", "out", "begin")),
)
"""Kinds of heads, each with the labels that the check asks for."""
SHORT = 8
"""Length limit for the check of cutting, in sub-words, special tokens included."""
CLOSE = 1e-3
"""Largest difference that padding may make, relative to the states' standard deviation: sums change their order."""

Load = Callable[[str], Encoder]
"""Opens an encoder by its reference."""

_require = functools.partial(require, "encoder")


def check_encoder(load: Load, reference: str, *, passed: Passed = ignore) -> None:
    """Check that an encoder keeps the interface ``otx.interfaces.Encoder``.

    The encoder is not changed.

    Args:
        load: Opens an encoder by its name, or from a folder that the encoder saved.
        reference: The encoder to check.
        passed: Called with the name of each check that passed.

    Raises:
        PluginError: If the encoder breaks its interface, with the clause.

    Example:
        >>> check_encoder(lambda path: MyEncoder(path, MyOptions()), "tiny")  # doctest: +SKIP
    """
    encoder = load(reference)
    encoder.module.eval()
    _check_members(encoder)
    passed("it is a module with sizes and a fast tokenizer")
    _check_tokens(encoder)
    passed("its words are numbered by the tokenizer's offsets")
    _check_cuts(encoder)
    passed("a long text is cut between words, and the words are counted")
    with torch.no_grad():
        _check_padding(encoder)
    passed("it does not read padding, and layers have their shapes")
    _check_gradient(encoder)
    passed("gradients reach its weights")
    _check_masked(encoder)
    passed("its masked-LM logits have their shape, or it refuses them with UsageError")
    _check_digest(encoder)
    passed("its digest follows the weights, and a copy is independent")
    with tempfile.TemporaryDirectory(prefix="otx-check-") as folder:
        _check_saved(encoder, load, Path(folder))
    passed("saved and loaded, it is the same")
    for kind, labels in HEADS:
        with tempfile.TemporaryDirectory(prefix="otx-check-") as folder:
            has_head = _check_head(encoder, load, kind, labels, Path(folder))
        passed(
            f"its head for {kind} is in module, and found after save and load"
            if has_head
            else f"no {kind}"
        )


def _check_members(encoder: Encoder) -> None:
    _require(isinstance(encoder.module, nn.Module), "module is not a torch.nn.Module")
    for name in ("dimension", "layers", "max_length"):
        value = getattr(encoder, name)
        _require(isinstance(value, int) and value > 0, f"{name} is {value!r}, not a number above 0")
    fast = getattr(encoder.tokenizer, "is_fast", False)
    _require(fast, "tokenizer is not a fast Hugging Face tokenizer (is_fast)")
    _require(encoder.tokenizer.pad_token_id is not None, "tokenizer has no padding token")


def _numbered(encoder: Encoder, text: str, *, pretokenised: bool) -> tuple[list[int], list[int]]:
    """Return the ids and word numbers of a whole text by the tokenizer's own offsets."""
    encoded = encoder.tokenizer(text, return_offsets_mapping=True, verbose=False)
    special = [sequence is None for sequence in encoded.sequence_ids(0)]
    offsets = encoded["offset_mapping"]
    inside = all(0 <= start <= end <= len(text) for start, end in offsets)
    _require(inside, f"the tokenizer's offsets are outside of {text!r}")
    spans = [
        (0, 0) if is_special else tuple(span)
        for is_special, span in zip(special, offsets, strict=True)
    ]
    return list(encoded["input_ids"]), word_index(text, spans, pretokenised=pretokenised)


def _check_tokens(encoder: Encoder) -> None:
    _require(encoder.tokenise([]) == [], "tokenise([]) is not an empty list")
    texts = [(text, False) for text in TEXTS] + [(PRETOKENISED, True)]
    for text, pretokenised in texts:
        (row,) = encoder.tokenise([text], pretokenised=pretokenised)
        _require(
            isinstance(row, TokenRow), f"tokenise returns a {type(row).__name__}, not a TokenRow"
        )
        ids, index = _numbered(encoder, text, pretokenised=pretokenised)
        if len(ids) > encoder.max_length:
            continue
        _require(row.ids == ids, f"the sub-words of {text!r} are not its tokenizer's")
        _require(
            row.word_index == index,
            f"the words of {text!r} are numbered {row.word_index}, but by the tokenizer's offsets they are {index} "
            "(otx.data.words.word_index)",
        )
        words = len(set(index) - {-1})
        _require(
            (row.words, row.cut) == (words, 0),
            f"{text!r} has {words} words, none of them cut, but the row counts {row.words} and {row.cut} cut",
        )


def _check_cuts(encoder: Encoder) -> None:
    limit = encoder.max_length
    long_text = " ".join([PRETOKENISED] * limit)
    (longest,) = encoder.tokenise([long_text], pretokenised=True, max_length=2 * limit)
    _require(encoder.max_length == limit, "tokenise changes the encoder's max_length")
    _require(
        len(longest.ids) <= limit,
        f"with max_length {2 * limit} a text has {len(longest.ids)} sub-words, but the encoder's limit is {limit}",
    )
    (row,) = encoder.tokenise([PRETOKENISED], pretokenised=True, max_length=SHORT)
    _, whole = _numbered(encoder, PRETOKENISED, pretokenised=True)
    _require(len(row.ids) <= SHORT, f"with max_length {SHORT} a text has {len(row.ids)} sub-words")
    kept = set(row.word_index) - {-1}
    for word in sorted(kept):
        _require(
            row.word_index.count(word) == whole.count(word),
            f"word {word} of a long text is cut in two",
        )
    words = len(set(whole) - {-1})
    _require(
        (row.words, row.cut) == (len(kept), words - len(kept)),
        f"of {words} words {len(kept)} are kept, but the row counts {row.words}, and {row.cut} cut",
    )


def _batch(encoder: Encoder) -> tuple[list[TokenRow], TokenBatch]:
    rows = encoder.tokenise(TEXTS)
    return rows, encoder.collate(rows)


def _check_padding(encoder: Encoder) -> None:
    rows, batch = _batch(encoder)
    _require(
        batch.mask.sum(1).tolist() == [len(row.ids) for row in rows],
        "collate's mask is not True exactly at the sub-words",
    )
    for number, row in enumerate(rows):
        mask = batch.mask[number]
        same = batch.ids[number][mask].tolist() == row.ids
        _require(same, "collate changes sub-words, or masks other positions")
        index = batch.word_index[number]
        _require(index[mask].tolist() == row.word_index, "collate changes the words' numbers")
        _require(bool((index[~mask] == -1).all()), "collate gives padding a word")
    layers = (0, encoder.layers, -1)
    together = encoder.encode(batch, layers)
    shape = (*batch.ids.shape, encoder.dimension)
    for layer in layers:
        states = together.tokens.get(layer)
        _require(states is not None, f"encode leaves out layer {layer}")
        assert states is not None
        _require(
            states.shape == shape,
            f"layer {layer} has shape {list(states.shape)}, expected {list(shape)}",
        )
    last = together.tokens[-1]
    _require(
        torch.equal(last, together.tokens[encoder.layers]),
        f"layer -1 is not layer {encoder.layers}",
    )
    for number, row in enumerate(rows):
        alone = encoder.encode(encoder.collate([row])).tokens[-1][0, : len(row.ids)]
        _close("in a batch with longer texts", last[number][batch.mask[number]], alone)


def _close(circumstance: str, states: Tensor, expected: Tensor) -> None:
    gap = float((states - expected).abs().max())
    _require(
        gap <= CLOSE * max(float(expected.std()), CLOSE),
        f"{circumstance} its states differ by {gap:.3g}",
    )


def _check_gradient(encoder: Encoder) -> None:
    twin = copy.deepcopy(encoder)
    _, batch = _batch(twin)
    states = twin.encode(batch).tokens[-1]
    _require(states.requires_grad, "its states have no gradient")
    states.square().sum().backward()  # type: ignore[no-untyped-call]
    moving = any(p.grad is not None and bool(p.grad.any()) for p in twin.module.parameters())
    _require(moving, "no parameter of module gets a gradient")


def _check_masked(encoder: Encoder) -> None:
    _, batch = _batch(encoder)
    picked = batch.word_index == 0
    try:
        with torch.no_grad():
            logits = encoder.masked_logits(batch, picked)
    except UsageError:
        return
    rows, (count, width) = int(picked.sum()), logits.shape
    highest = int(batch.ids.max())
    _require(
        count == rows and width > highest,
        f"masked_logits has shape {list(logits.shape)}, expected [{rows}, sub-words]",
    )


def _check_digest(encoder: Encoder) -> None:
    digest, twin = encoder.digest(), copy.deepcopy(encoder)
    _require(isinstance(digest, str) and bool(digest), f"digest returns {digest!r}, not a text")
    _require(twin.digest() == digest, "a copy has another digest")
    with torch.no_grad():
        next(twin.module.parameters()).add_(1.0)
    _require(twin.digest() != digest, "its digest stays the same when a weight changes")
    _require(encoder.digest() == digest, "changing a weight of a copy changes the encoder")


def _check_saved(encoder: Encoder, load: Load, folder: Path) -> None:
    encoder.save(folder)
    for pattern in ("config.json", "*.safetensors", "tokenizer.json"):
        _require(any(folder.glob(pattern)), f"save writes no {pattern}")
    again = load(str(folder))
    again.module.eval()
    _require(again.digest() == encoder.digest(), "saved and loaded, it has another digest")
    _, batch = _batch(encoder)
    with torch.no_grad():
        states, expected = (one.encode(batch).tokens[-1] for one in (again, encoder))
    _close("saved and loaded,", states[batch.mask], expected[batch.mask])


def _check_head(
    encoder: Encoder, load: Load, kind: str, labels: tuple[str, ...], folder: Path
) -> bool:
    """Check the head of a kind; returns False if the encoder has none."""
    twin = copy.deepcopy(encoder)
    try:
        head = twin.fresh_head(kind, labels)
    except UsageError:
        return False
    held = {id(parameter) for parameter in twin.module.parameters()}
    outside = [name for name, weight in head.named_parameters() if id(weight) not in held]
    _require(
        not outside,
        f"module does not contain {', '.join(outside[:3])} of fresh_head({kind!r}), which is neither trained nor saved",
    )
    logits = _logits(twin, head, kind, labels)
    twin.save(folder)
    again = load(str(folder))
    again.module.eval()
    carried = again.carried_head(kind)
    _require(
        carried is not None,
        f"saved and loaded, carried_head({kind!r}) returns None: otx predict would find no head",
    )
    assert carried is not None
    if labels:
        _require(
            hasattr(carried, "labels"),
            f"the saved head for {kind} has no labels (see otx.interfaces.head)",
        )
        names = tuple(carried.labels)
        _require(
            names == labels, f"the saved head for {kind} has labels {names}, expected {labels}"
        )
    _close(
        f"saved and loaded, with its head for {kind},",
        _logits(again, carried, kind, labels),
        logits,
    )
    return True


def _logits(encoder: Encoder, head: nn.Module, kind: str, labels: tuple[str, ...]) -> Tensor:
    encoder.module.eval()
    _, batch = _batch(encoder)
    with torch.no_grad():
        logits: Tensor = head.eval()(batch)
    size = batch.ids.shape[:1] if kind == "sequence-classification" else batch.ids.shape
    expected = [*size, len(labels) or 2]
    _require(
        list(logits.shape) == expected,
        f"the head for {kind} returns logits of shape {list(logits.shape)}, expected {expected}",
    )
    return logits if kind == "sequence-classification" else logits[batch.mask]
