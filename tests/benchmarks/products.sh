#!/usr/bin/env bash
# How the encoder that ships was made, from photos to file. Two and a half hours on two cores without CUDA.
#
#   tests/benchmarks/products.sh DATA OUT [more for `inventory-match train`]
#
# DATA holds grocery-store/, household-products/ and cola-cans/; the starting weights lie where the preset says, ../shared/weights
# from here. Both seeds learn at once, one core each; asked again, what is finished stays and what was interrupted goes on. The
# encoder of the figures for unknown products is the same with
#   --exclude-skus inventory_match/learning/presets/left-out-20.txt
set -euo pipefail
data=$(realpath "$1") out=$(mkdir -p "$2" && realpath "$2")
shift 2
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

[[ -f $out/packs/views.csv ]] ||
    python -m inventory_match.rendering.dataset --out "$out/packs" --products 150 --views 7 --packshots 2 --seed 4101

learn() { # SEED and the rest
    local made=$out/seed-$1.safetensors
    [[ -f $made ]] || inventory-match train products --seed "$1" --data "$data" --data "$out" --threads 1 --out "$made" \
        $([[ -f ${made%.safetensors}.run/checkpoint.pt ]] && echo --resume) "${@:2}"
}
learn 7 "$@" &
first=$!
learn 8 "$@"
wait "$first"

inventory-match encoders join "$out"/seed-7.safetensors "$out"/seed-8.safetensors --out "$out/joined.safetensors"
inventory-match encoders reduce "$out/joined.safetensors" --method lda --dim 192 --shrinkage 0.3 --name products-mobilenet_v2 \
    --references "$out/seed-7.run/learned.csv" --out "$out/reduced.safetensors"

python -m inventory_match.rendering.dataset --out "$out/judged" --products 24 --views 15 --packshots 3 --seed 5202
awk 'NR == 1 || /-0[0-2]\.jpg,/' "$out/judged/views.csv" >"$out/judged/references.csv"
awk 'NR == 1 || !/-0[0-2]\.jpg,/' "$out/judged/views.csv" >"$out/judged/queries.csv"
lists=$out/seed-7.run/judged-by
inventory-match calibrate --encoder "$out/reduced.safetensors" --out "$out/products.safetensors" \
    --pair "$lists/grocery-store-val-references.csv" "$lists/grocery-store-val-queries.csv" \
    --pair "$lists/household-products-boxes-references.csv" "$lists/household-products-boxes-queries.csv" \
    --pair "$out/judged/references.csv" "$out/judged/queries.csv"
