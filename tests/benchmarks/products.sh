#!/usr/bin/env bash
# How the encoder that ships was made, from photos to file. Two hours on two cores without CUDA.
#
#   tests/benchmarks/products.sh DATA OUT [more for `inventory-match train`]
#
# DATA holds grocery-store/, household-products/ and cola-cans/; the starting weights lie where the preset says, ../shared/weights
# from here. Two runs learn at once, one core each: they see the photos varied in different ways, the second with colours kept
# more as they are, turned further, and larger at the end, so that they err in different places. Asked again, what is finished
# stays and what was interrupted goes on. The encoder of the figures for unknown products is the same with
#   --exclude-skus inventory_match/learning/presets/left-out-20.txt
set -euo pipefail
data=$(realpath "$1") out=$(mkdir -p "$2" && realpath "$2")
shift 2
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

packs() { # FOLDER and how many of what
    [[ -f $1/views.csv ]] || python -m inventory_match.rendering.dataset --out "$@"
}

learn() { # NAME and the rest
    local made=$out/$1.safetensors resume=()
    [[ -f $out/$1.run/checkpoint.pt ]] && resume=(--resume)
    inventory-match train products --data "$data" --data "$out" --threads 1 --out "$made" "${resume[@]}" "${@:2}"
}

packs "$out/packs" --products 150 --views 7 --packshots 2 --seed 4101
packs "$out/judged" --products 24 --views 15 --packshots 3 --seed 5202
awk 'NR == 1 || /-0[0-2]\.jpg,/' "$out/judged/views.csv" >"$out/judged/references.csv"
awk 'NR == 1 || !/-0[0-2]\.jpg,/' "$out/judged/views.csv" >"$out/judged/queries.csv"

learn one "$@" &
one=$!
trap 'kill "$one" 2>/dev/null || true' EXIT
learn other --set augment.turn=40 --set augment.turned=0.45 --set augment.brightness=0.4 --set augment.saturation=0.2 \
    --set augment.grey=0 --set stage.1.epochs=8 --set stage.2.epochs=8 --set stage.2.size=224 "$@"
wait "$one"

inventory-match encoders join "$out/one.safetensors" "$out/other.safetensors" --out "$out/joined.safetensors"
inventory-match encoders reduce "$out/joined.safetensors" --method lda --dim 192 --shrinkage 0.1 --name products-mobilenet_v2 \
    --references "$out/one.run/learned.csv" --out "$out/reduced.safetensors"
lists=$out/one.run/judged-by
inventory-match calibrate --encoder "$out/reduced.safetensors" --out "$out/products.safetensors" --plot "$out/coverage.png" \
    --pair "$lists/grocery-store-val-references.csv" "$lists/grocery-store-val-queries.csv" \
    --pair "$lists/household-products-boxes-references.csv" "$lists/household-products-boxes-queries.csv" \
    --pair "$out/judged/references.csv" "$out/judged/queries.csv"
