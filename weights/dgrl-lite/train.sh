#!/usr/bin/env bash
# Makes weights/dgrl-lite from ImageNet weights, in about two hours on two CPU cores:
#   bash weights/dgrl-lite/train.sh DUTS-TR RUNS
# DUTS-TR holds the data set as image/*.jpg and mask/*.png; RUNS is where the runs go. The result is RUNS/dgrl-lite.
set -euo pipefail
data=$1 runs=$2
here=$(dirname "$0")
pairs=(--images "$data/image" --masks "$data/mask" --without "$here/validation_DUTS-TR.txt")

# One pass first (T = 0): the backbone and its head learn four times as fast without the later steps.
dgrl train "${pairs[@]}" --stage rln --out "$runs/one-pass" --backbone tf_efficientnet_lite0 --steps 0 \
  --refinement-std 0.05 --epochs 4 --size 224 --compile

# Then all three (T = 2): each later head starts from the first one, feedback starts at zero.
dgrl train "${pairs[@]}" --stage rln --out "$runs/rln" --init "$runs/one-pass" --steps 2 \
  --max-updates 300 --batch-size 8 --size 256 --learning-rate 5e-4 --backbone-learning-rate 1e-4

# BRN on crops around boundaries, on the maps of the RLN just trained.
dgrl train "${pairs[@]}" --stage brn --out "$runs/brn-start" --init "$runs/rln" --steps 2 \
  --max-updates 300 --batch-size 4 --crop 96 --precision bf16
# More crops of fewer pictures: most of an update's time goes into RLN.
dgrl train "${pairs[@]}" --stage brn --out "$runs/brn" --init "$runs/brn-start" --steps 2 \
  --max-updates 420 --batch-size 2 --crops-per-picture 8 --crop 96 --learning-rate 2e-3 --precision bf16

python - "$runs/brn" "$runs/dgrl-lite" <<'PYTHON'
import sys
from dgrl import DGRL

source, target = sys.argv[1:]
DGRL.from_pretrained(source).half().save_pretrained(target)  # halves the file; loaded as float32 again
PYTHON
