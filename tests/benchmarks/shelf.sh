#!/usr/bin/env bash
# Every figure of MODEL_CARD.md that counts on shelves, by the commands it names.
#
#   tests/benchmarks/shelf.sh DATA OUT
#
# DATA holds household-products/ and cereal-shelf/; OUT takes one JSON a figure, and the annotated photos of each. Without
# INVENTORY_MATCH_DETECTOR_FILE or _ENCODER_FILE it measures what ships.
set -euo pipefail
data=$1 out=$2
here=$(dirname "${BASH_SOURCE[0]}")
mkdir -p "$out"

measure() { # NAME, and what to measure
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    inventory-match evaluate shelf --json "$out/$name.json" --draw "$out/$name" "$@"
}

# The photos that taught no detector (household-validation.txt), with five references a product from the others; and of
# those the ones that taught no encoder either (household-neither.txt).
household=$data/household-products
for seed in 0 1 2; do
    python "$here/shelf_lists.py" "$household" "$here/household-validation.txt" "$out/lists-$seed" --seed "$seed"
    measure "household-$seed" --photos "$household/images" \
        --references "$out/lists-$seed/references.csv" --boxes "$out/lists-$seed/boxes.csv"
done
python "$here/shelf_lists.py" "$household" "$here/household-neither.txt" "$out/lists-neither" --seed 0
measure household-neither --photos "$household/images" \
    --references "$out/lists-0/references.csv" --boxes "$out/lists-neither/boxes.csv"

cereal=$data/cereal-shelf
measure cereal --references "$cereal/catalog.csv" --photos "$cereal/scenes" --counts "$cereal/counts.json"

# A rendered drinks shelf: 100 facings a photo, one packshot a product.
python "$here/rendered_shelves.py" "$out/rendered" --photos 6
measure rendered --references "$out/rendered/catalog.csv" --photos "$out/rendered" \
    --counts "$out/rendered/counts.json" --boxes "$out/rendered/boxes.csv" --exhaustive
