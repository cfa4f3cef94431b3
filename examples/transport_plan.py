"""Transport between the words of a sentence and its translation, without training anything."""

import torch

import otx
from otx.ot import cosine, sinkhorn, uniform

SOURCE, PIVOT = "Der Hund schläft im Garten .", "The dog sleeps in the garden ."


def main() -> None:
    """Solve the transport problem of one pair, and print each word's best partner."""
    encoder = otx.load_encoder("mini")
    with torch.no_grad():
        sides = [
            encoder.encode(encoder.collate(encoder.tokenise([text]))).words()
            for text in (SOURCE, PIVOT)
        ]
    (x, x_mask), (y, y_mask) = sides
    solution = sinkhorn(cosine(x, y), uniform(x_mask), uniform(y_mask), epsilon=0.05)
    print(f"cost {solution.value.item():.4f}, converged {solution.converged.item()}")
    for word, row in zip(SOURCE.split(), solution.plan[0], strict=True):
        best = int(row.argmax())
        print(f"{word:10} {PIVOT.split()[best]:10} {row[best] / row.sum():.0%}")


if __name__ == "__main__":
    main()
