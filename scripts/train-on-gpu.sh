#!/usr/bin/env bash
# Train RLN on one GPU for some minutes, from the checkpoint that ships (dgrl/training/packed.py).
#
#   scripts/train-on-gpu.sh pack DUTS-TR PACKED             once, anywhere: shards below 60 MiB, to be copied
#   scripts/train-on-gpu.sh train PACKED RUN [--minutes 9]  on the machine with the GPU
#
# RUN gets checkpoint/ every two minutes and the network at the end. DUTS-TR holds image/ and mask/; the 400 pictures that
# the recipe is chosen by and the 200 that check the choice are left out. PYTHON: that of DGRL's environment.
set -euo pipefail

if [[ -z ${PYTHON:-} && -x .venv/bin/python ]]; then PYTHON=.venv/bin/python; fi
PYTHON=${PYTHON:-python3}
command=${1:-}
shift || true

case $command in
  pack)
    lists=$("$PYTHON" -c 'from dgrl.checkpoint import default_weights; print(default_weights())')
    exec "$PYTHON" -m dgrl.training.packed pack --images "$1/image" --masks "$1/mask" --out "$2" \
      --without "$lists/validation_DUTS-TR.txt" --without "$lists/check_DUTS-TR.txt" "${@:3}"
    ;;
  train)
    exec "$PYTHON" -m dgrl.training.packed train "$1" --out "$2" "${@:3}"
    ;;
  *)
    sed -n '2,8p' "$0" >&2
    exit 1
    ;;
esac
