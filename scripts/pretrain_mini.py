"""Pre-train the embedded encoder `mini` by masked language modelling; resumable.

    python scripts/pretrain_mini.py text   --data ../shared/data --work runs/mini   # text, vocabulary, packed ids
    python scripts/pretrain_mini.py train  --work runs/mini --steps 6000            # again: resume from the last save
    python scripts/pretrain_mini.py export --work runs/mini --to plugins/otx_encoders/mini

Text: only sources that are public domain, CC0, CC BY, CC BY-SA or MIT (docs/mini.md lists them with their
licences); no evaluation set and no SQuAD development set. A sequence has text of one language from one source, so that
no sequence contains a sentence and its translation.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import math
import random
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

LANGUAGES = ("en", "de", "es", "fr", "ru", "zh", "ar", "tr")
FREE_L10N = {"python-docs", "gnome-help", "godot-editor"}
"""Projects of the source ``l10n`` with a free licence."""
VOCABULARY = 16_000
LENGTH = 384
"""Sub-words of a sequence."""
CURRICULUM = ((0.03, 16), (0.08, 32), (0.2, 64), (0.5, 128), (1.0, LENGTH))
"""Length of the sequences until each share of the steps. On long sequences, attention averages many unrelated words and
stays at the unigram loss for millions of tokens; on 16 it learns to use its neighbours at once."""
SAVE_SECONDS = 60
"""Time between two saves."""
MASKED = 0.3
"""Share of the sub-words to predict."""
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
HELD_OUT_SHARE = 0.01
"""Share of each source that is never trained on."""
LANGUAGE_EXPONENT = 0.6
"""Languages are drawn in proportion to their size to this power."""


def read_lines(path: Path) -> list[str]:
    """Return the lines of a gzip text file, normalised to NFC.

    Args:
        path: The file.
    """
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [unicodedata.normalize("NFC", line.strip()) for line in file]


def documents(data: Path, language: str) -> Iterator[list[str]]:
    """Yield every free source of one language as a list of lines in order.

    Args:
        data: Folder of real data.
        language: Code of the language.
    """
    bitext = data / "bitext"
    others = [x for x in LANGUAGES if x != "en"] if language == "en" else [language]
    for source in ("tatoeba", "bible", "tico19", "l10n"):
        seen: set[str] = set()
        lines: list[str] = []
        for other in others:
            path = bitext / source / f"en-{other}.{language}.gz"
            if not path.exists():
                continue
            origin = bitext / source / f"en-{other}.origin.gz"
            kept = read_lines(path)
            if source == "l10n":
                free = [name in FREE_L10N for name in read_lines(origin)]
                kept = [line for line, ok in zip(kept, free, strict=True) if ok]
            for line in kept:
                if line and line not in seen:
                    seen.add(line)
                    lines.append(line)
        if source == "tatoeba":
            random.Random(0).shuffle(lines)
        if lines:
            yield lines
    if language == "en":
        squad = json.loads(
            gzip.decompress((data / "qa/squad-v1.1/train-v1.1.json.gz").read_bytes())
        )
        contexts = [p["context"] for article in squad["data"] for p in article["paragraphs"]]
        yield [unicodedata.normalize("NFC", " ".join(text.split())) for text in contexts]


def make_tokenizer(texts: dict[str, list[str]], folder: Path) -> None:
    """Train a Unigram vocabulary on evenly sampled languages.

    Args:
        texts: Lines by language.
        folder: Folder to save the fast tokenizer in.

    Raises:
        SystemExit: If the vocabulary does not have ``VOCABULARY`` entries.
    """
    import sentencepiece
    from tokenizers import (
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )
    from transformers import PreTrainedTokenizerFast

    drawn: list[str] = []
    rng = random.Random(0)
    for lines in texts.values():
        budget = 3_000_000
        for line in rng.sample(lines, len(lines)):
            drawn.append(line)
            budget -= len(line.encode())
            if budget < 0:
                break
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(drawn),
        model_writer=out,
        model_type="unigram",
        vocab_size=VOCABULARY - len(SPECIALS),
        character_coverage=0.9998,
        max_sentence_length=20_000,
        normalization_rule_name="nmt_nfkc",
        split_digits=True,
        bos_id=-1,
        eos_id=-1,
        unk_id=0,
        num_threads=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(1, len(processor))]
    vocabulary = [(name, 0.0) for name in SPECIALS] + pieces
    vocabulary.append(("<mask>", 0.0))
    if len(vocabulary) != VOCABULARY:
        raise SystemExit(f"vocabulary has {len(vocabulary)} entries, expected {VOCABULARY}")
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Digits(individual_digits=True)]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        cls_token="<s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=LENGTH,
        padding_side="right",
    ).save_pretrained(folder)


def pack(work: Path, data: Path) -> None:
    """Write text statistics, the tokenizer and packed sequences.

    Sequences are ``[S, 384]`` for each language, for training and held out.

    Args:
        work: Folder to write into.
        data: Folder of real data.
    """
    texts = {x: [line for doc in documents(data, x) for line in doc] for x in LANGUAGES}
    folder = work / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        make_tokenizer(texts, folder)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    summary = {}
    for language in LANGUAGES:
        train: list[list[int]] = []
        held: list[list[int]] = []
        for lines in documents(data, language):
            stream: list[int] = []
            for ids in tokenizer(lines, add_special_tokens=False)["input_ids"]:
                stream += [*ids, 2]
            body = LENGTH - 1
            rows = [[0, *stream[i : i + body]] for i in range(0, len(stream) - body + 1, body)]
            cut = max(1, int(len(rows) * HELD_OUT_SHARE))
            train += rows[:-cut]
            held += rows[-cut:]
        np.save(work / f"{language}.train.npy", np.asarray(train, dtype=np.uint16))
        np.save(work / f"{language}.held.npy", np.asarray(held, dtype=np.uint16))
        unknown = float((np.asarray(train) == 3).mean())
        summary[language] = {
            "lines": len(texts[language]),
            "characters": sum(map(len, texts[language])),
            "sequences": len(train),
            "held_out": len(held),
            "unknown_share": unknown,
        }
        print(language, summary[language], flush=True)
    (work / "text.json").write_text(json.dumps(summary, indent=1))


def make_model() -> torch.nn.Module:
    """Return an untrained model of XLM-R's shape with 7.4 million parameters.

    It has 4 layers of 256 dimensions, 4 heads, feed-forward 1024 and a tied masked-LM head.
    """
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

    config = XLMRobertaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=1024,
        max_position_embeddings=LENGTH + 2,
        type_vocab_size=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        # 0.02 suits 768 dimensions; with 256, attention would start almost uniform and stay so for long.
        initializer_range=0.04,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
    )
    model = XLMRobertaForMaskedLM(config)
    with torch.no_grad():
        model.roberta.embeddings.position_embeddings.weight[2:] = sinusoids(LENGTH, 256)
    return model


def sinusoids(count: int, width: int) -> torch.Tensor:
    """Return sinusoidal positions, the initial values of the position embeddings.

    With them, attending to a neighbour is a linear map, and what early positions learn holds for late ones.

    Args:
        count: Number of positions.
        width: Number of dimensions.

    Returns:
        Positions ``[count, width]``.

    References:
        Vaswani et al. (2017), "Attention Is All You Need". https://arxiv.org/abs/1706.03762
    """
    place = torch.arange(count).unsqueeze(1)
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    table = torch.zeros(count, width)
    table[:, 0::2] = torch.sin(place * rate)
    table[:, 1::2] = torch.cos(place * rate)
    return 0.08 * table


def mask_tokens(ids: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Pick 30 % of the real tokens: mask 80 %, replace 10 % at random, keep 10 %.

    The share is twice BERT's: with so little text, more targets per token of context are better.

    Args:
        ids: Token ids ``[B, N]``.
        generator: Source of randomness on the same device.

    Returns:
        Changed ids and picks (True = predict), both ``[B, N]``.

    References:
        Wettig et al. (2023), "Should You Mask 15% in Masked Language Modeling?". https://arxiv.org/abs/2202.08005
    """
    source = {"generator": generator, "device": ids.device}
    picked = (torch.rand(ids.shape, **source) < MASKED) & (ids > 3)
    fate = torch.rand(ids.shape, **source)
    noise = torch.randint(4, VOCABULARY - 1, ids.shape, **source)
    masked = torch.where(picked & (fate < 0.8), VOCABULARY - 1, ids)
    return torch.where(picked & (fate >= 0.9), noise, masked), picked


def masked_loss(
    model: torch.nn.Module, ids: torch.Tensor, picked: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Return the cross-entropy at the picked positions.

    No other position is projected to the vocabulary.

    Args:
        model: The masked language model.
        ids: Changed token ids ``[B, N]``.
        picked: Positions to predict ``[B, N]``.
        labels: Original token ids ``[B, N]``.
    """
    hidden = model.roberta(input_ids=ids).last_hidden_state
    return functional.cross_entropy(model.lm_head(hidden[picked]).float(), labels[picked])


class Sequences:
    """The packed text of every language on one device.

    A batch depends only on the step.

    Attributes:
        sizes: Number of sequences of each language.
        starts: First row of each language.
        weights: Probability of each language.
        rows: All sequences ``[S, 384]``.
    """

    def __init__(self, work: Path, device: str) -> None:
        """Load the sequences.

        Args:
            work: Folder that ``pack`` wrote.
            device: Device to hold them.
        """
        pools = [np.load(work / f"{language}.train.npy").astype(np.int16) for language in LANGUAGES]
        self.sizes = np.array([len(pool) for pool in pools])
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.weights = self.sizes**LANGUAGE_EXPONENT / (self.sizes**LANGUAGE_EXPONENT).sum()
        self.rows = torch.from_numpy(np.concatenate(pools)).to(device)

    def draw(self, step: int, batch: int, length: int) -> tuple[torch.Tensor, ...]:
        """Draw the batch of one step, the same on every run.

        Args:
            step: The step.
            batch: Number of sequences of 384.
            length: Length that they are cut to, a divisor of 384.

        Returns:
            Masked ids, picks and ids, each ``[batch * 384 / length, length]``.
        """
        rng = np.random.default_rng([0, step])
        languages = rng.choice(len(LANGUAGES), size=batch, p=self.weights)
        rows = torch.from_numpy(self.starts[languages] + rng.integers(self.sizes[languages]))
        ids = self.rows[rows.to(self.rows.device)].long().reshape(-1, length)
        ids[:, 0] = 0
        generator = torch.Generator(self.rows.device).manual_seed(step)
        return *mask_tokens(ids, generator), ids


def make_optimizer(model: torch.nn.Module, rate: float) -> torch.optim.AdamW:
    """Return AdamW with weight decay for matrices only.

    Args:
        model: The model.
        rate: Peak learning rate.
    """
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), eps=1e-6, fused=True)


def train(work: Path, *, steps: int, batch: int, rate: float, device: str) -> None:
    """Train, saving every minute; the same call again resumes from the last save.

    Args:
        work: Folder that ``pack`` wrote.
        steps: Number of steps in all.
        batch: Number of sequences of 384 per step.
        rate: Peak learning rate.
        device: Device to train on.
    """
    sequences = Sequences(work, device)
    torch.manual_seed(0)
    model = make_model().to(device)
    optimizer = make_optimizer(model, rate)
    start = 0
    last = work / "last.pt"
    if last.exists():
        state = torch.load(last, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    log = (work / "loss.jsonl").open("a")
    warm = min(500, steps // 10)
    began = saved = time.time()
    for step in range(start, steps):
        length = next(length for share, length in CURRICULUM if step < share * steps)
        masked, picked, ids = sequences.draw(step, batch, length)
        decay = (steps - step) / (steps - warm) if step > warm else 1.0
        for group in optimizer.param_groups:
            group["lr"] = rate * min((step + 1) / warm, max(0.02, decay), 1.0)
        with torch.autocast(device.split(":")[0], dtype=torch.bfloat16):
            loss = masked_loss(model, masked, picked, ids)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 20 == 0:
            speed = (step + 1 - start) * batch * LENGTH / (time.time() - began)
            row = {
                "step": step,
                "loss": loss.item(),
                "norm": norm.item(),
                "tokens_per_s": round(speed),
            }
            log.write(json.dumps(row) + "\n")
            log.flush()
        if time.time() - saved > SAVE_SECONDS or step + 1 == steps:
            state = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step + 1,
            }
            torch.save(state, work / "next.pt")
            (work / "next.pt").replace(last)
            saved = time.time()


def held_out_perplexity(work: Path, length: int, device: str) -> dict[str, float]:
    """Return the perplexity of each language's held-out text.

    It is exp of the masked-LM loss.

    Args:
        work: Folder of the text and the last save.
        length: Length that sequences are cut to, at most 100 of 384 per language.
        device: Device to compute on.
    """
    model = make_model().to(device).eval()
    state = torch.load(work / "last.pt", map_location=device, weights_only=True)
    model.load_state_dict(state["model"])
    result = {}
    for language in LANGUAGES:
        rows = np.load(work / f"{language}.held.npy")[:100].astype(np.int64)
        total = count = 0.0
        for i in range(0, len(rows), 16):
            ids = torch.from_numpy(rows[i : i + 16]).reshape(-1, length)
            masked, picked = mask_tokens(ids, torch.Generator().manual_seed(i))
            with torch.no_grad():
                loss = masked_loss(model, masked.to(device), picked.to(device), ids.to(device))
            total += loss.item() * int(picked.sum())
            count += int(picked.sum())
        result[language] = round(math.exp(total / count), 2)
    return result


def export(work: Path, target: Path) -> None:
    """Write the encoder as a plain Hugging Face folder, and print perplexities.

    Args:
        work: Folder of the text and the last save.
        target: Folder to write: float16 weights, configuration and tokenizer.
    """
    from transformers import AutoTokenizer

    model = make_model()
    state = torch.load(work / "last.pt", map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    print("step", state["step"], "parameters", sum(p.numel() for p in model.parameters()))
    model.half().save_pretrained(target, safe_serialization=True)
    AutoTokenizer.from_pretrained(work / "tokenizer").save_pretrained(target)
    perplexity = {str(n): held_out_perplexity(work, n, "cpu") for n in (128, LENGTH)}
    (work / "perplexity.json").write_text(json.dumps(perplexity, indent=1))
    print(json.dumps(perplexity, indent=1))


def main() -> None:
    """Parse the command line and run one stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=["text", "train", "export"])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--to", type=Path)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.stage == "text":
        pack(args.work, args.data)
    elif args.stage == "train":
        train(args.work, steps=args.steps, batch=args.batch, rate=args.lr, device=args.device)
    else:
        export(args.work, args.to)


if __name__ == "__main__":
    main()
