"""Search the defaults of `--objective sinkhorn`; the table is docs/results/defaults.md.

    python scripts/search_defaults.py --data ../shared/data --runs runs/search [--pairs 4000] > docs/results/defaults.md

Every row is one alignment of `mini` on real bitext (de es fr ru zh) with sentences of every length. Retrieval is
measured on held-out pairs of that bitext, alignment error on gold links that no results page reports (English-French,
`enfr`). A default must improve both, and by more than shuffled pairs do: these contain no translations, so that their
gain is due to the regulariser alone. Existing rows are not computed again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

LANGUAGES = ("de", "es", "fr", "ru", "zh")
SKIPPED = 30_000
"""Number of pairs per language that are left for the first run (scripts/first_run.sh)."""
FACTORS = {
    "pairs": ("true", "shuffled"),
    "lr": ("2e-4", "5e-4", "1e-3"),
    "dropout": ("true", "false"),
    "keep_close": ("1.0", "0.1", "0.01"),
    "debias": ("true", "false"),
    "epsilon": ("0.1", "0.05", "0.02"),
    "scope": ("sentence", "batch"),
    "cost": ("cosine", "euclidean"),
}
"""Values of each factor. The search starts with the first ones; every other value is tried alone."""


def settings_to_try(changes: list[str]) -> list[dict[str, str]]:
    """Return the start, and all settings that differ from it in one factor.

    Args:
        changes: Only these settings, each as "factor=value,factor=value"; other factors keep their start.

    Returns:
        Value by factor.
    """
    start = {name: values[0] for name, values in FACTORS.items()}
    if changes:
        return [start | dict(item.split("=") for item in change.split(",")) for change in changes]
    others = [{**start, name: value} for name, values in FACTORS.items() for value in values[1:]]
    return [start, *others]


def bitext(data: Path, work: Path, pairs: int) -> None:
    """Write development pairs of every language, and the same pairs shuffled.

    They are drawn after the pairs that the first run may use.

    Args:
        data: Folder of real data.
        work: Folder to write into.
        pairs: Number of pairs per language.
    """
    for language in LANGUAGES:
        prefix = work / f"en-{language}"
        if prefix.with_name(f"shuffled-en-{language}.en").exists():
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
        for name, flags in ((f"en-{language}", []), (f"shuffled-en-{language}", ["--wrong"])):
            draw = ["scripts/draw_lines.py", table, str(pairs), work / name, "en", language]
            draw += ["--skip", str(SKIPPED), *flags]
            subprocess.run([sys.executable, *draw], check=True)
        table.unlink()


def align(
    name: str, data: Path, *, runs: Path, settings: dict[str, str], flags: list[str]
) -> dict[str, float]:
    """Align once, or resume, and return the diagnostics.

    Args:
        name: Name of the run.
        data: Folder of real data.
        runs: Folder of the runs and of the bitext.
        settings: Value by factor.
        flags: Further flags of ``otx align``.

    Returns:
        Measures before and after as ``before.x`` and ``after.x``.
    """
    record = runs / name / "run.json"
    status = json.loads(record.read_text())["status"] if record.exists() else "absent"
    folder = ["--set", f"runs.folder={runs}"]
    if status not in ("absent", "finished"):
        subprocess.run(["otx", "align", "--resume", name, *folder], check=True)
    elif status == "absent":
        prefix = "en" if settings["pairs"] == "true" else "shuffled-en"
        flags = flags + [f"--corpus={runs / f'{prefix}-{language}'}" for language in LANGUAGES]
        sets = {
            "sinkhorn.cost": settings["cost"],
            "sinkhorn.epsilon": settings["epsilon"],
            "sinkhorn.debias": settings["debias"],
            "sinkhorn.scope": settings["scope"],
            "align.keep_close": settings["keep_close"],
            "encoder.dropout": settings["dropout"],
            "optimizer.lr": settings["lr"],
            "diagnostics.index_base": "1",
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
    """Parse the command line, try every setting and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("changes", nargs="*", help="only these: factor=value,factor=value")
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    bitext(args.data, args.runs, args.pairs)
    print("| seed | " + " | ".join(FACTORS) + " | retrieval before | after | AER before | after |")
    print("|" + "---|" * (len(FACTORS) + 5))
    for settings in settings_to_try(args.changes):
        values = [args.seed, *settings.values()]
        flags = ["--seed", args.seed, "--dtype", args.dtype]
        name = "-".join(values)
        measured = align(name, args.data, runs=args.runs, settings=settings, flags=flags)
        shown = [
            measured.get(f"{when}.{key}", float("nan"))
            for key in ("retrieval", "aer")
            for when in ("before", "after")
        ]
        print("| " + " | ".join([*values, *(f"{x:.3f}" for x in shown)]) + " |", flush=True)


if __name__ == "__main__":
    main()
