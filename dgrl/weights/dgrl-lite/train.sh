#!/usr/bin/env bash
# Makes dgrl/weights/dgrl-lite from ImageNet weights, in about sixteen hours on one CPU core:
#   bash dgrl/weights/dgrl-lite/train.sh DUTS-TR RUNS
# DUTS-TR holds the data set as image/*.jpg and mask/*.png; RUNS is where the runs go. The result is RUNS/dgrl-lite.
set -euo pipefail
data=$1 runs=$2
here=$(dirname "$0")
pairs=(--images "$data/image" --masks "$data/mask" --without "$here/validation_DUTS-TR.txt")

# average EASY HARD SHARE TARGET [PART]: a network with EASY's weights, those of PART (rln or brn, by default rln) moved
# towards HARD's by SHARE where HARD has them.
average() {
  python - "$runs/$1" "$runs/$2" "$3" "$runs/$4" "${5:-rln}" <<'PYTHON'
import sys
from dgrl import DGRL

easy, hard, share, target, part = sys.argv[1:]
network, others = DGRL.from_pretrained(easy), DGRL.from_pretrained(hard).state_dict()
for name, weight in network.state_dict().items():
    if name.startswith(f"{part}.") and name in others and weight.is_floating_point():
        weight.lerp_(others[name], float(share))
network.save_pretrained(target)
PYTHON
}

# One pass first (T = 0): the backbone and its head learn four times as fast without the later steps.
dgrl train "${pairs[@]}" --stage rln --out "$runs/one-pass-small" --backbone tf_efficientnet_lite0 --steps 0 \
  --epochs 4 --size 224 --smallest-crop 0.6 --compile
dgrl train "${pairs[@]}" --stage rln --out "$runs/one-pass" --init "$runs/one-pass-small" --preset default \
  --max-updates 2200 --size 256 --smallest-crop 0.6 --learning-rate 7e-4 --backbone-learning-rate 3e-4 --compile

# Then all three (T = 2): each later head starts from the first one, feedback starts at zero.
dgrl train "${pairs[@]}" --stage rln --out "$runs/three-passes" --init "$runs/one-pass" --preset default --steps 2 \
  --max-updates 500 --batch-size 8 --size 320 --smallest-crop 0.6 --learning-rate 5e-4 --backbone-learning-rate 1.5e-4

# Its first pass again, on harder pictures. By itself this is worse; its average with what it started from is better.
dgrl train "${pairs[@]}" --stage rln --out "$runs/one-pass-hard" --init "$runs/three-passes" --preset default --steps 0 \
  --max-updates 3200 --size 320 --smallest-crop 0.4 --paste-share 0.1 --learning-rate 6e-4 \
  --backbone-learning-rate 3e-4 --compile
average three-passes one-pass-hard 0.4 averaged
dgrl train "${pairs[@]}" --stage rln --out "$runs/three-passes-more" --init "$runs/averaged" --preset default \
  --max-updates 350 --batch-size 8 --size 320 --smallest-crop 0.7 --learning-rate 2e-4 --backbone-learning-rate 6e-5
average averaged three-passes-more 0.5 again

# The first pass twice more, on nearly whole and on smaller crops; the average of all three, and all passes from there.
dgrl train "${pairs[@]}" --stage rln --out "$runs/one-pass-whole" --init "$runs/again" --preset default --steps 0 --frozen-blocks 2 \
  --max-updates 2400 --size 320 --smallest-crop 0.9 --learning-rate 5e-4 --backbone-learning-rate 2.5e-4 --compile
dgrl train "${pairs[@]}" --stage rln --out "$runs/one-pass-cropped" --init "$runs/again" --preset default --steps 0 --frozen-blocks 2 \
  --max-updates 2400 --size 320 --smallest-crop 0.75 --learning-rate 5e-4 --backbone-learning-rate 2.5e-4 --seed 2 \
  --compile
average one-pass-whole one-pass-cropped 0.5 one-passes
average again one-passes 0.5 averaged-again
dgrl train "${pairs[@]}" --stage rln --out "$runs/photos" --init "$runs/averaged-again" --preset default --frozen-blocks 2 --step-growth 2 \
  --max-updates 250 --batch-size 8 --size 320 --learning-rate 2e-4 --backbone-learning-rate 6e-5

# Pages of text among the pictures: else they pass for objects. The average keeps that, and more of the photographs.
dgrl train "${pairs[@]}" --stage rln --out "$runs/pages" --init "$runs/photos" --preset default --frozen-blocks 2 --step-growth 2 \
  --page-share 0.06 --max-updates 300 --batch-size 8 --size 320 --learning-rate 2e-4 --backbone-learning-rate 6e-5 --seed 3
average photos pages 0.5 known

# What is found follows attention, and later steps what earlier ones attended to: places are named (dgrl.training.named).
# On larger and larger pictures, ever more gently.
named() {
  size=$1 updates=$2 out=$3 start=$4
  shift 4
  dgrl train "${pairs[@]}" --stage rln --out "$runs/$out" --init "$runs/$start" --preset default --frozen-blocks 2 \
    --page-share 0.03 --batch-size 8 --size "$size" --max-updates "$updates" "$@"
}
named 256 750 named-256 known --named-share 0.5 --step-growth 2 --attention-weight 0.25 --attention-spread 0.45 \
  --attention-narrowing 0.4 --learning-rate 7e-4 --backbone-learning-rate 1.8e-4
named 288 750 named-288 named-256 --named-share 0.5 --step-growth 2 --attention-weight 0.15 --attention-spread 0.4 \
  --attention-narrowing 0.6 --learning-rate 5e-4 --backbone-learning-rate 1.3e-4
named 352 620 named-352 named-288 --named-share 0.55 --step-growth 3 --attention-weight 0.15 --attention-spread 0.4 \
  --attention-narrowing 0.6 --learning-rate 4e-4 --backbone-learning-rate 9e-5
# On a CPU that has bf16, its convolutions may round their factors: a fifth less time.
export ONEDNN_DEFAULT_FPMATH_MODE=BF16
named 352 1250 named-more named-352 --named-share 0.4 --step-growth 4 --attention-weight 0.12 --attention-spread 0.35 \
  --attention-narrowing 0.8 --learning-rate 3e-4 --backbone-learning-rate 8e-5 --seed 11
named 352 700 named-last named-more --named-share 0.4 --step-growth 8 --attention-weight 0.15 --attention-spread 0.3 \
  --attention-narrowing 0.8 --learning-rate 2e-4 --backbone-learning-rate 5e-5 --seed 12

# Twice more from there, apart: their average is better than either, and moved most of the way to it the network is best.
for seed in 21 22; do
  named 352 600 "named-$seed" named-last --named-share 0.45 --step-growth 8 --attention-weight 0.15 --attention-spread 0.3 \
    --attention-narrowing 0.8 --learning-rate 3e-4 --backbone-learning-rate 8e-5 --seed "$seed"
done
unset ONEDNN_DEFAULT_FPMATH_MODE
average named-21 named-22 0.5 named-both
average named-last named-both 0.7 rln

# A small BRN on crops, on RLN's maps, which are made once; every fifth picture gives enough of them.
find "$data/image" -name '*.jpg' -printf '%f\n' | sort | awk 'NR % 5 == 1' > "$runs/every-fifth.txt"
refining() {
  out=$1 start=$2 updates=$3
  shift 3
  dgrl train "${pairs[@]}" --only "$runs/every-fifth.txt" --stage brn --out "$runs/$out" --init "$runs/$start" --preset default \
    --stored-maps --max-updates "$updates" --batch-size 2 --crop 112 --crops-per-picture 3 --boundary-share 0.75 \
    --absolute-weight 0.7 --doubt-share 0.2 --region-weight 0.5 --precision bf16 "$@"
}
# First on the maps of the RLN before the average, then twice, apart, on those of the average.
refining brn-first named-last 7500 --seed 5 --new-brn
average brn-first rln 1 averaged-rln
for seed in 31 32; do
  refining "brn-$seed" averaged-rln 3000 --seed "$seed"
done
average brn-31 brn-32 0.5 brn brn

# Version 3.0: RLN again from 30 % of the way back to version 1.0, nothing frozen, for an hour or more on one core. The masks of
# pictures without a prompt are mixed with what the network finds itself in the picture and in its mirror image.
average brn known 0.3 back
check=(--without "$here/check_DUTS-TR.txt")
python -m dgrl.training.packed pack "${pairs[@]}" "${check[@]}" --out "$runs/packed" --quality 85
again() {
  python - "$runs/packed" "$runs/$1" "$runs/$2" "$runs/$3" "${@:4}" <<'PYTHON'
import sys
from pathlib import Path

import torch

from dgrl import DGRL, TrainingConfig
from dgrl.data.packed import unpack
from dgrl.training.packed import train_packed, with_pages

packed, out, start, teacher, minutes, seed, batch_size, rate, backbone_rate, *sizes = sys.argv[1:]
torch.manual_seed(int(seed))
config = TrainingConfig(
    batch_size=int(batch_size), named_share=0.4, page_share=0.03, step_growth=6.0, attention_weight=0.15,
    attention_spread=0.3, attention_narrowing=0.8, learning_rate=float(rate), backbone_learning_rate=float(backbone_rate),
    ema=0.998, seed=int(seed), smallest_crop=0.8, warm_up=0.04, teacher=teacher, teacher_weight=0.3,
)
images, masks = with_pages(*unpack(Path(packed), torch.device("cpu")), config.page_share)
train_packed(
    DGRL.from_pretrained(start), images, masks, Path(out), config, 60 * float(minutes), sizes=tuple(map(int, sizes))
)
PYTHON
}
export ONEDNN_DEFAULT_FPMATH_MODE=BF16
again again-61 back back 85 61 10 2e-4 5e-5 256 288 320 352
again again-62 again-61 again-61 62 62 8 1.5e-4 4e-5 288 320 352
unset ONEDNN_DEFAULT_FPMATH_MODE

# BRN on the maps of the network halfway to the first of these. RLN: 35 % of each of the two and 30 % of version 2.0.
average again-61 brn 0.5 halfway
refining brn-71 halfway 3000 --seed 71 "${check[@]}"
average again-61 again-62 0.5 both
average both brn 0.3 mixture
average mixture brn-71 1 mixture-refined brn

python - "$runs/mixture-refined" "$runs/dgrl-lite" <<'PYTHON'
import sys
from dgrl import DGRL

source, target = sys.argv[1:]
DGRL.from_pretrained(source).half().save_pretrained(target)  # halves the file; loaded as float32 again
PYTHON
