"""Align the embedded encoder on German-English text, and test whether retrieval improved."""

import otx


def main() -> None:
    """Align, evaluate and compare."""
    run = otx.align(
        model="mini",
        corpus="sample:de",
        objective="sinkhorn",
        settings={"align.steps": 12, "data.batch_tokens": 512, "sinkhorn.epsilon": 0.1},
    )
    print(run)

    # The run and the untouched encoder behind it, on the embedded held-out sentences.
    results = otx.evaluate(run, tasks=["retrieval"], languages=["de"])
    print(results)

    comparison = otx.compare([run])
    print(comparison.table())
    frame = comparison.to_pandas()
    print(frame[["system", "column", "value", "difference", "p_holm"]].to_string(index=False))


if __name__ == "__main__":
    main()
