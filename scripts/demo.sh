#!/bin/sh
# Align the embedded encoder on the embedded corpus with two objectives, evaluate both beside the untouched encoder
# on sentences that were held out, and compare. Everything lies in demo/ afterwards. Fewer candidates and two languages
# keep this at about 2 minutes on 2 cores.
set -eu
rm -rf demo
runs="--set runs.folder=demo"
for objective in sinkhorn contrastive; do
    # shellcheck disable=SC2086  # $runs is two words on purpose
    otx align --run "$objective" --objective "$objective" --epochs 2 --set diagnostics.candidates=200 --quiet $runs
done
otx eval retrieval word-alignment --run sinkhorn --run contrastive $runs \
    --languages de,zh,heldout.en-de,heldout.en-zh > /dev/null
otx compare sinkhorn contrastive $runs
printf '\nEverything lies in %s\n' "$PWD/demo"
