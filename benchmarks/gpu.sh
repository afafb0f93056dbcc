#!/usr/bin/env bash
# What issue "a search in minutes" asks of a GPU, in parts of under ten minutes each.
#
#     benchmarks/gpu.sh PART [OUT]      PART: check | bench | growth | search | gan      OUT: folder, default runs/gpu
#
# First `check`: every test that is marked `gpu` (whether the GPU's numbers are the CPU's in search, training, features,
# sampling, measured pruning and second order; resume from one device to the other; NCCL), and steps as CUDA graphs.
# Where it fails, the timings mean nothing. GRAPHS=1 runs search and gan as CUDA graphs. Each part writes its own files into OUT and can be run
# alone; search and gan go on where they stopped (--resume). GRAPH_PART= leaves graphs out of bench.
#
# Needs a CUDA device and `degas` on the path (or PYTHONPATH=src and DEGAS="python -m degas"). Data: CIFAR-10's
# official archive or unpacked folder in $DATA; without it, the parts that need images draw noise of the same size.
# docs/gpu.md says what to expect, from step counts.
set -euo pipefail

part=${1:?which part: check, bench, growth, search or gan}
out=${2:-runs/gpu}
degas=${DEGAS:-degas}
data=${DATA:-}
limit=${LIMIT_SECONDS:-570}
device=${DEVICE:-cuda}
extra=${EXTRA:-} # more options, for a trial at a small size
suffix=
if [ "${GRAPHS:-0}" = 1 ]; then suffix=-graphs; fi
graph_option() { if [ -n "$suffix" ]; then echo "--$1.cuda-graphs"; fi; }
mkdir -p "$out"

if [ -z "$data" ] && { [ "$part" = search ] || [ "$part" = gan ]; }; then
    data=$out/noise.npz
    [ -f "$data" ] || python - "$data" <<'PY'
import sys

import numpy as np

images = np.random.default_rng(0).integers(0, 256, (50_000, 32, 32, 3), dtype=np.uint8)
np.savez(sys.argv[1], images=images)
PY
fi

# A run that meets the limit saves a checkpoint and ends with 143; the same command goes on from there.
within_limit() {
    local status=0
    timeout --signal=TERM "$limit" "$@" || status=$?
    if [ "$status" = 143 ] || [ "$status" = 124 ]; then
        echo "stopped at the limit of $limit s; run the part again to go on"
    else
        return "$status"
    fi
}

case $part in
check)
    # The files by their mark, so that none of the others' libraries need be there.
    grep -rl 'pytest.mark.gpu' tests --include='test_*.py' | xargs python -m pytest -q -rs -m gpu -p no:cacheprovider
    # shellcheck disable=SC2086
    $degas benchmark --device $device --parts graphs --width 16 --rounds 3 --out "$out/check.json" $extra
    python3 - "$out/check.json" <<'PY'
import json
import sys

rows = {name: row["difference"] for name, row in json.load(open(sys.argv[1])).items() if name.endswith("_as_graph")}
print("graphs beside the same steps without, largest relative difference:", rows)
sys.exit(0 if len(rows) == 3 and max(rows.values()) < 0.02 else "they differ: the graphs' timings mean nothing")
PY
    ;;
bench)  # side by side at the sizes of the CPU table and of the paper, in both precisions
    for width in 32 128; do
        for precision in float32 bfloat16; do
            # shellcheck disable=SC2086
            $degas benchmark --device $device --width $width --precision $precision --rounds 21 \
                --parts search adversarial-search adversarial training classifier sampling features fid ${GRAPH_PART-graphs} \
                --out "$out/bench-$width-$precision.json" $extra
        done
    done
    ;;
growth)
    # shellcheck disable=SC2086
    $degas benchmark --device $device --parts search --growth --out "$out/growth.json" $extra
    ;;
search)  # 50,000 images, C = 128, 50 epochs (20 PFLOP); goal: at most 6 minutes on one H100
    # shellcheck disable=SC2086
    within_limit $degas search --data "$data" --out "$out/search$suffix" --device $device --resume \
        --search.width 128 --search.num-epochs 50 --search.precision bfloat16 --search.plateau-share 0 \
        $(graph_option search) $extra
    ;;
gan)  # steps per second of adversarial training, from timing.jsonl
    architecture=$out/search$suffix/search/architecture.json
    [ -f "$architecture" ] || { architecture=$out/drawn.json; $degas random --seed 0 --width 128 --out "$architecture"; }
    # shellcheck disable=SC2086
    within_limit $degas train --data "$data" --out "$out/gan$suffix" --device $device --resume \
        --architecture "$architecture" --gan.objective ct-gan --gan.width 128 --gan.num-steps 500 \
        $(graph_option gan) $extra
    ;;
*)
    echo "unknown part $part: check, bench, growth, search or gan" >&2
    exit 2
    ;;
esac
