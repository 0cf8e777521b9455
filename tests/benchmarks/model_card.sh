#!/usr/bin/env bash
# Every figure of MODEL_CARD.md, by the commands it names.
#
#   tests/benchmarks/model_card.sh DATA RUN OUT
#
# DATA holds grocery-store/; RUN is the folder one.run that products.sh left (its judged-by/ has the household photos
# nobody learned); OUT takes one JSON a figure. Without an encoder to name, each command measures the one that ships.
set -euo pipefail
data=$1 run=$2 out=$3
here=$(dirname "${BASH_SOURCE[0]}")
groceries=$data/grocery-store
household=$run/judged-by/household-products-boxes
left_out=$here/../../inventory_match/learning/presets/left-out-20.txt
mkdir -p "$out"

measure() { # NAME, and what to measure
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    inventory-match evaluate retrieval --json "$out/$name.json" "$@"
}

queries=(--queries "$groceries/val.csv")
every=(--references "$groceries/train.csv" --references "$groceries/catalog.csv")
measure groceries "${every[@]}" "${queries[@]}" --robustness --plots "$out/plots"
for seed in 0 1 2; do
    measure "groceries-five-$seed" --references "$groceries/train.csv" "${queries[@]}" --per-product 5 --seed "$seed"
    measure "household-five-$seed" --references "$household-references.csv" --queries "$household-queries.csv" \
        --per-product 5 --seed "$seed"
done
measure groceries-packshot --references "$groceries/catalog.csv" "${queries[@]}"

# The same command with --exclude-skus made this one: it never saw 20 of the products.
without=(--encoder "$here/products-without-20.safetensors")
measure unknown "${without[@]}" "${every[@]}" "${queries[@]}" --exclude-skus "$left_out"
for seed in 0 1 2; do
    measure "enrolled-later-$seed" "${without[@]}" "${every[@]}" "${queries[@]}" \
        --new-skus "$left_out" --per-product 5 --seed "$seed"
done

python -m inventory_match.rendering.dataset --out "$out/packs" --products 24 --views 15 --packshots 3 --seed 5202
packs=$out/packs
awk 'NR == 1 || /-0[0-2]\.jpg,/' "$packs/views.csv" >"$packs/references.csv"
awk 'NR == 1 || !/-0[0-2]\.jpg,/' "$packs/views.csv" >"$packs/queries.csv"
measure packs --references "$packs/references.csv" --queries "$packs/queries.csv"

printf '\n== as a table\n'
python - "$out" <<'PYTHON'
import json, pathlib, sys

print(f"{'figure':24} {'queries':>7} {'top1':>7} {'top5':>7} {'mAP@R':>7} {'known AUC':>9} {'coverage 99 %':>13}")
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    found = json.loads(path.read_text())
    keys = "top1", "top5", "map_at_r", "roc_auc_known", "coverage_at_precision_99"
    shown = [f"{100 * found[key]:.1f}" if isinstance(found.get(key), float) else "-" for key in keys]
    widths = 7, 7, 7, 9, 13
    print(f"{path.stem:24} {found['n_queries']:7} " + " ".join(f"{text:>{width}}" for text, width in zip(shown, widths)))
PYTHON
