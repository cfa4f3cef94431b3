"""The tasks that ship with otx: those of XTREME, and probes of the encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otx import hookimpl
from otx_tasks import infos, options

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

RECIPES = Path(__file__).parent / "recipes"


@hookimpl
def otx_register(registry: Registry) -> None:
    """Register the tasks, and the sizes of a quick look at them."""
    registry.task(
        "retrieval",
        "otx_tasks.probes.retrieval:RetrievalTask",
        "find each sentence's translation by cosine or CSLS, both ways",
        options.RetrievalOptions,
        info=infos.RETRIEVAL,
    )
    registry.task(
        "word-alignment",
        "otx_tasks.probes.word_alignment:WordAlignmentTask",
        "extract word links and compare them with gold ones (AER)",
        options.WordAlignmentOptions,
        info=infos.WORD_ALIGNMENT,
    )
    registry.task(
        "xquad",
        "otx_tasks.qa.xquad:XquadTask",
        "learn span extraction on SQuAD v1.1, answer XQuAD in each language",
        options.XquadOptions,
        info=infos.XQUAD,
    )
    registry.task(
        "xnli",
        "otx_tasks.classification.xnli:XnliTask",
        "learn inference on English pairs, classify XNLI in each language",
        options.XnliOptions,
        info=infos.XNLI,
    )
    registry.task(
        "pos",
        "otx_tasks.tagging.pos:PosTask",
        "learn part-of-speech tags on English treebanks, tag each language's words",
        options.TaggingOptions,
        info=infos.POS,
    )
    registry.task(
        "ner",
        "otx_tasks.tagging.ner:NerTask",
        "learn named entities in English, find them in each language",
        options.TaggingOptions,
        info=infos.NER,
    )
    registry.task(
        "mlqa",
        "otx_tasks.qa.mlqa:MlqaTask",
        "learn span extraction on SQuAD v1.1, answer MLQA in each language",
        options.MlqaOptions,
        info=infos.MLQA,
    )
    registry.task(
        "tydiqa-goldp",
        "otx_tasks.qa.tydiqa:TydiqaTask",
        "learn span extraction on TyDi QA's English gold passages, answer the other languages",
        options.TydiqaOptions,
        info=infos.TYDIQA,
    )
    registry.task(
        "classification",
        "otx_tasks.classification.labelled_text:ClassificationTask",
        "learn the classes of any English texts or pairs, classify each language's",
        options.ClassificationOptions,
        info=infos.CLASSIFICATION,
    )
    registry.task(
        "paws-x",
        "otx_tasks.classification.labelled_text:PawsxTask",
        "learn paraphrase on English pairs, tell it in each language",
        options.ClassificationOptions,
        info=infos.PAWSX,
    )
    registry.task(
        "bucc",
        "otx_tasks.probes.bucc:BuccTask",
        "mine translations out of two texts by margin",
        options.BuccOptions,
        info=infos.BUCC,
    )
    registry.task(
        "word-retrieval",
        "otx_tasks.probes.word_retrieval:WordRetrievalTask",
        "find each word's translation among the words of all sentences by CSLS",
        options.WordRetrievalOptions,
        info=infos.WORD_RETRIEVAL,
    )
    registry.task(
        "structure",
        "otx_tasks.probes.structure:StructureTask",
        "look inside: CKA between languages, language probe, isotropy, dimension, hubs",
        options.StructureOptions,
        info=infos.STRUCTURE,
    )
    registry.recipe(
        "quick",
        RECIPES / "quick.toml",
        "Small sizes for a quick look: otx eval --quick",
    )
