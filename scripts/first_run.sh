#!/bin/sh
# The first real run: `mini` aligned on 30,000 pairs each of German, Spanish, Russian and Chinese with four objectives
# and two controls, two seeds each, evaluated together with the untouched encoder. Run it again to resume.
#
#     scripts/first_run.sh ../shared/data runs/first [RUN ...]
#
# `otx` and its `python` must be on PATH. The first argument is a folder of real data (bitext/, retrieval/, align/,
# nli/, qa/), the second the folder of the runs; neither may contain spaces. With names of runs (sinkhorn-1 shuffled-2),
# only those are computed: several calls can run in parallel, each with its own folder.
set -eu
data=$1
runs=$2
shift 2
wanted=$*
bitext=$runs/bitext
folder="--set runs.folder=$runs"
corpora=""

mkdir -p "$bitext"
for language in de es ru zh; do
    # Short sentences keep the total within hours on two cores; Russian has 30,000 pairs only up to 26 words.
    words=15
    if [ "$language" = ru ]; then words=26; fi
    if [ ! -f "$bitext/shuffled-en-$language.en" ]; then
        # Mix every source of a language by a fixed shuffle and keep the first 30,000 pairs.
        for side in en "$language"; do
            for source in tatoeba bible l10n tico19 wmt-news; do
                file=$data/bitext/$source/en-$language.$side.gz
                if [ -f "$file" ]; then gzip -dc "$file"; fi
            done > "$bitext/all.$side"
        done
        paste "$bitext/all.en" "$bitext/all.$language" > "$bitext/all.tsv"
        python scripts/draw_lines.py "$bitext/all.tsv" 30000 "$bitext/en-$language" en "$language" --max-words $words
        python scripts/draw_lines.py "$bitext/all.tsv" 30000 "$bitext/shuffled-en-$language" en "$language" --max-words $words --wrong
        rm "$bitext"/all.*
    fi
    corpora="$corpora --corpus $bitext/en-$language"
    shuffled="${shuffled:-} --corpus $bitext/shuffled-en-$language"
done

align() {
    name=$1
    shift
    case " ${wanted:-$name} " in *" $name "*) ;; *) return ;; esac
    names="$names --run $name"
    if grep -qs '"status": "finished"' "$runs/$name/run.json"; then return; fi
    if [ -d "$runs/$name" ]; then
        otx align --resume "$name" $folder
    else
        otx align --run "$name" --gold "$data/align/enfr.gold" --set diagnostics.index_base=1 --dtype bf16 "$@" $folder
    fi
}

names=""
for seed in 1 2; do
    for objective in sinkhorn unbalanced l2 contrastive mlm; do
        align "$objective-$seed" --objective "$objective" --seed $seed $corpora
    done
    align "shuffled-$seed" --objective sinkhorn --seed $seed $shuffled
done

evaluated="$folder --set runtime.dtype=bf16"
otx eval retrieval $names --data "$data/retrieval/tatoeba" --languages de,es,fr,ru,zh,ar,tr $evaluated
otx eval retrieval $names --data "$data/retrieval/ntrex" --languages de,es,fr,ru,zh,ar,tr $evaluated
otx eval word-alignment $names --data "$data/align" --languages enes,xlwa-enes,xlwa-enru,zhen $evaluated
otx eval xnli $names --data "$data/nli" --train-limit 40000 --languages en,de,es,fr,ru,zh,ar,tr $evaluated \
    --set xnli.epochs=1 --set xnli.lr=2e-4 --set xnli.warmup=0.1
otx eval xquad $names --data "$data/qa" --train-limit 10000 $evaluated \
    --set xquad.epochs=1 --set xquad.lr=2e-4 --set xquad.warmup=0.1
otx compare $folder
