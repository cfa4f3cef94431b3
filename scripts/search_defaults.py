"""The search behind the defaults of `--objective sinkhorn`; its table is docs/results/defaults.md.

    python scripts/search_defaults.py --data ../shared/data --runs runs/search [--pairs 4000] > docs/results/defaults.md

Every row is one alignment of `mini` on real bitext (de es fr ru zh), sentences of every length.
Retrieval is measured on held-out pairs of that bitext, alignment error on gold links that no results page reports
(English-French, `enfr`). A default must improve both.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

LANGUAGES = ("de", "es", "fr", "ru", "zh")
SKIPPED = 30_000
FACTORS = {
    "lr": ("2e-4", "5e-4", "1e-4"),
    "dropout": ("true", "false"),
    "keep_close": ("1.0", "0.1", "0.01"),
    "debias": ("true", "false"),
    "epsilon": ("0.1", "0.05", "0.2"),
    "scope": ("sentence", "batch"),
    "cost": ("cosine", "euclidean"),
}
"""The first of each is where the search starts; every other is tried alone, the rest as at the start."""


def settings_to_try() -> list[dict[str, str]]:
    """The start, and everything that differs from it in one factor."""
    start = {name: values[0] for name, values in FACTORS.items()}
    others = [{**start, name: value} for name, values in FACTORS.items() for value in values[1:]]
    return [start, *others]


def bitext(data: Path, work: Path, pairs: int) -> list[str]:
    """Development pairs of every language, drawn after those that the first run may use; returns the specs."""
    specs = []
    for language in LANGUAGES:
        prefix = work / f"en-{language}"
        specs.append(str(prefix))
        if prefix.with_name(f"en-{language}.en").exists():
            continue
        table = work / f"{language}.tsv"
        rows: list[str] = []
        for source in ("tatoeba", "bible", "l10n", "tico19", "wmt-news"):
            sides = [data / f"bitext/{source}/en-{language}.{side}.gz" for side in ("en", language)]
            if all(side.exists() for side in sides):
                texts = [
                    subprocess.check_output(["gzip", "-dc", side], text=True) for side in sides
                ]
                rows += [
                    "\t".join(row) for row in zip(*(t.split("\n") for t in texts), strict=True)
                ]
        table.write_text("\n".join(rows))
        draw = [sys.executable, "scripts/draw_lines.py", table, str(pairs), prefix, "en", language]
        subprocess.run([*draw, "--skip", str(SKIPPED)], check=True)
        table.unlink()
    return specs


def align(
    name: str, specs: list[str], data: Path, runs: Path, settings: dict[str, str]
) -> dict[str, float]:
    """One alignment; returns its guards before and after as ``before.x`` and ``after.x``."""
    record = runs / name / "run.json"
    status = json.loads(record.read_text())["status"] if record.exists() else "absent"
    folder = ["--set", f"runs.folder={runs}"]
    if status not in ("absent", "finished"):
        subprocess.run(["otx", "align", "--resume", name, *folder], check=True)
    elif status == "absent":
        flags = [flag for spec in specs for flag in ("--corpus", spec)]
        sets = {
            "sinkhorn.cost": settings["cost"],
            "sinkhorn.epsilon": settings["epsilon"],
            "sinkhorn.debias": settings["debias"],
            "sinkhorn.scope": settings["scope"],
            "align.keep_close": settings["keep_close"],
            "align.dropout": settings["dropout"],
            "align.lr": settings["lr"],
            "align.index_base": "1",
        }
        flags += [flag for key, value in sets.items() for flag in ("--set", f"{key}={value}")]
        flags += folder
        gold = ["--gold", str(data / "align/enfr.gold")]
        subprocess.run(
            ["otx", "align", "--run", name, "--quiet", *flags, *gold],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    guards = json.loads(record.read_text())["guards"]
    return {f"{when}.{key}": value for when in guards for key, value in guards[when].items()}


def main() -> None:
    """Try every setting and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=4000)
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    specs = bitext(args.data, args.runs, args.pairs)
    print("| " + " | ".join(FACTORS) + " | retrieval before | after | AER before | after |")
    print("|" + "---|" * (len(FACTORS) + 4))
    for settings in settings_to_try():
        values = list(settings.values())
        found = align("-".join(values), specs, args.data, args.runs, settings)
        shown = [
            found[f"{when}.{key}"] for key in ("retrieval", "aer") for when in ("before", "after")
        ]
        print("| " + " | ".join([*values, *(f"{x:.3f}" for x in shown)]) + " |", flush=True)


if __name__ == "__main__":
    main()
