#!/usr/bin/env bash
# From nothing to answers: installs what is missing, builds, converts the bundled small models, asks them about bundled pictures.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$*"; }

say "Installing what is missing"
scripts/install.sh

say "Building build/tarsier"
cmake --preset release -DBUILD_TESTING=OFF >/dev/null
cmake --build --preset release --target tarsier

out=build/demo
pictures=examples/pictures
mkdir -p "$out"
tarsier=build/tarsier

for model in tiny-vl-dense tiny-vl-moe; do
  say "Converting models/$model to one file"
  "$tarsier" convert "models/$model" -o "$out/$model.gguf"
done

ask() {  # MODEL FLAGS... QUESTION
  local model=$1 question=${!#}
  printf '\n%s\n> %s\n' "${*:2:$#-2}" "$question"
  "$tarsier" run -m "$out/$model.gguf" --temperature 0 "${@:2:$#-2}" --prompt "$question"
}

for model in tiny-vl-dense tiny-vl-moe; do
  say "$model"
  ask $model --image $pictures/two-shapes.png "Describe this image."
  ask $model --image $pictures/three-shapes.png "How many shapes are there?"
  ask $model --image $pictures/one-shape.png "What is in this picture?"
  ask $model --image $pictures/before.png --image $pictures/after.png "What changed?"
  ask $model "Say hello in Chinese."
  ask $model --video $pictures/clip.mp4 "What happens in this video?"
  ask $model --video $pictures/colour.mp4 "What happens in this video?"
done

say "Boxes"
ask tiny-vl-dense --image $pictures/two-shapes.png --boxes $out/boxes.png "Locate every shape."

say "The picture with its boxes is $out/boxes.png. The program is build/tarsier; README.md tells how to use it with a real model."
