#!/usr/bin/env bash
# Make what docs/evaluation.md and docs/explain.md show of the model in the package: text in docs/made, pictures in docs/images.
# usage: docs/make_measured.sh fer2013.csv    (some minutes)
set -euo pipefail
data=$(realpath "$1")
cd "$(dirname "$0")/.."
inside=$(mktemp -d)
trap 'rm -rf "$inside"' EXIT

python -m unmask explain small --layers --engine onnx > docs/made/layers.txt
python -m unmask explain small docs/images/astronaut.jpg --detector mtcnn --engine onnx --out "$inside" > /dev/null
cp "$inside/heat_grad-cam.png" docs/images/explained_grad-cam.png
cp "$inside/heat_occlusion.png" docs/images/explained_occlusion.png
cp "$inside"/maps_2_*.png docs/images/explained_maps.png
python -m unmask evaluate small --data "$data" --order alphabetical --corruptions "blurred,dark,small,mouth hidden" --threads 2 > docs/made/evaluation.txt
