"""Tiny repositories in the layout of those that the mission's commands read from the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets

from tests.mission.loopback_hub import LoopbackHub
from tests.tiny import save_tiny_model

XLMR = "FacebookAI/xlm-roberta-base"
XQUAD = "google/xquad"
SQUAD = "rajpurkar/squad"

OTHER_FORMATS = (
    "pytorch_model.bin",
    "tf_model.h5",
    "flax_model.msgpack",
    "onnx/model.onnx",
    "onnx/config.json",
)
"""Files of the real repository that otx must not download."""

SENTENCES = {
    "ar": ("افتتح رئيس بلدية {town} الجسر عام {year}.", "متى افتتح الجسر؟"),
    "de": ("Die Brücke wurde {year} vom Bürgermeister von {town} eröffnet.", "Wann war das?"),
    "el": ("Η γέφυρα άνοιξε το {year} από τον δήμαρχο του {town}.", "Πότε άνοιξε η γέφυρα;"),
    "en": ("The bridge was opened in {year} by the mayor of {town}.", "When was it opened?"),
    "es": ("El puente fue inaugurado en {year} por el alcalde de {town}.", "¿Cuándo fue?"),
    "hi": ("पुल {year} में {town} के महापौर ने खोला।", "पुल कब खुला?"),
    "ro": ("Podul a fost deschis în {year} de primarul din {town}.", "Când a fost deschis?"),
    "ru": ("Мост открыл в {year} году мэр города {town}.", "Когда открыли мост?"),
    "th": ("สะพานเปิดใช้ในปี {year} โดยนายกเทศมนตรีเมือง {town}", "สะพานเปิดเมื่อใด"),
    "tr": ("Köprü {year} yılında {town} belediye başkanı tarafından açıldı.", "Ne zaman açıldı?"),
    "vi": ("Cây cầu được thị trưởng {town} khánh thành năm {year}.", "Cầu mở khi nào?"),
    "zh": ("这座桥于{year}年由{town}市长开通。", "这座桥何时开通？"),
}
"""A context and a question about its year, in each language of XQuAD."""
TOWNS = ("Lindau", "Bregenz", "Konstanz")
TRAINING = 24
"""Number of training questions, one per article."""


def publish_all(hub: LoopbackHub, folder: Path) -> None:
    """Publish XLM-R with its former name, XQuAD in twelve languages, and SQuAD.

    Args:
        hub: The Hub.
        folder: An empty folder to write files into.
    """
    publish_xlmr(hub, folder / "xlmr")
    tests = {
        f"xquad.{language}/validation-00000-of-00001.parquet": list(questions(language))
        for language in SENTENCES
    }
    publish_tables(hub, XQUAD, tests, folder / "xquad")
    squad = [
        _row(f"train-{i}", TOWNS[i % 3], 1800 + i, "en", title=f"Article {i}")
        for i in range(TRAINING)
    ]
    splits = {f"plain_text/{s}-00000-of-00001.parquet": squad for s in ("train", "validation")}
    publish_tables(hub, SQUAD, splits, folder / "squad")


def publish_xlmr(hub: LoopbackHub, folder: Path) -> None:
    """Publish a tiny XLM-R as FacebookAI/xlm-roberta-base, which ``xlm-roberta-base`` redirects to."""
    save_tiny_model(folder, hidden_size=32, intermediate_size=48, max_position_embeddings=386)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    others = {name: b"not for otx" for name in OTHER_FORMATS}
    pages = {"README.md": b"# XLM-RoBERTa\n", ".gitattributes": b"*.safetensors filter=lfs\n"}
    hub.publish("models", XLMR, files | others | pages)
    hub.rename("models", "xlm-roberta-base", XLMR)


def publish_tables(
    hub: LoopbackHub, name: str, tables: dict[str, list[dict[str, Any]]], folder: Path
) -> None:
    """Publish a data set as the Hub keeps it: a parquet file for each configuration and split.

    Args:
        hub: The Hub.
        name: ``organisation/name``.
        tables: Rows by the path of their file.
        folder: An empty folder to write the files into.
    """
    files = {"README.md": b"---\nlanguage: en\n---\n"}
    for path, rows in tables.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows).to_parquet(target)
        files[path] = target.read_bytes()
    hub.publish("datasets", name, files)


def questions(language: str) -> Iterator[dict[str, Any]]:
    """Yield the test questions of a language, which are parallel over languages."""
    for number, town in enumerate(TOWNS):
        yield _row(f"q{number}", town, 1931 + number, language)


def _row(name: str, town: str, year: int, language: str, **title: str) -> dict[str, Any]:
    sentence, question = SENTENCES[language]
    context = sentence.format(town=town, year=year)
    answer = str(year)
    answers = {"text": [answer], "answer_start": [context.index(answer)]}
    row = {"id": name, "context": context, "question": question, "answers": answers}
    return {"id": name, **title, **{key: row[key] for key in ("context", "question", "answers")}}
