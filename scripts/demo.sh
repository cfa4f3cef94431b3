#!/bin/sh
# Align the embedded encoder on the embedded corpus with two objectives, evaluate both and the untouched encoder on
# held-out sentences, and compare. Results are saved to demo/. 200 candidates and two languages limit this to 3 min 33 s
# on two idle cores.
set -eu
rm -rf demo
runs="--set runs.folder=demo"
for objective in sinkhorn contrastive; do
    # shellcheck disable=SC2086  # $runs must split into two words
    otx align --run "$objective" --objective "$objective" --epochs 2 --set diagnostics.candidates=200 --quiet $runs
done
otx eval retrieval word-alignment --run sinkhorn --run contrastive $runs \
    --languages de,zh,heldout.en-de,heldout.en-zh > /dev/null
otx compare sinkhorn contrastive $runs
printf '\nSaved to %s\n' "$PWD/demo"
