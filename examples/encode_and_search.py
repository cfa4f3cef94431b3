"""Search English sentences with a German query, before and after an alignment."""

import torch

import otx

QUERY = "Wo ist der nächste Bahnhof?"
SENTENCES = [
    "The soup is too hot.",
    "Where is the nearest station?",
    "She reads a book every week.",
    "The train was late again.",
]


def search(model: "str | otx.Run") -> None:
    """Print the sentences in the order of their cosine with the query."""
    encoder = otx.load_encoder(model)
    with torch.no_grad():
        batch = encoder.collate(encoder.tokenise([QUERY, *SENTENCES]))
        vectors = torch.nn.functional.normalize(encoder.encode(batch).sentences(), dim=-1)
    cosines = vectors[1:] @ vectors[0]
    for index in cosines.argsort(descending=True).tolist():
        print(f"{cosines[index]:.3f}  {SENTENCES[index]}")


def main() -> None:
    """Search with the untouched encoder, then with the aligned one."""
    search("mini")
    run = otx.align(
        model="mini", corpus="sample:de", settings={"align.steps": 10, "data.batch_tokens": 512}
    )
    print(run.diagnostics["after"])
    search(run)


if __name__ == "__main__":
    main()
