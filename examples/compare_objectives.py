"""Compare two objectives over two seeds: runs that differ only in their seed are one row of the table."""

import otx


def main() -> None:
    """Align four times, evaluate, and print one table."""
    runs = [
        otx.align(
            model="mini",
            corpus="sample:de",
            objective=objective,
            settings={"align.steps": 6, "align.seed": seed, "data.batch_tokens": 512},
        )
        for objective in ("sinkhorn", "l2")
        for seed in (1, 2)
    ]
    otx.evaluate(runs, tasks=["retrieval"], languages=["de"])
    print(otx.compare(runs).table("markdown"))
    for run in runs:
        print(run.name, *run.verdict, sep="\n  ! ")


if __name__ == "__main__":
    main()
