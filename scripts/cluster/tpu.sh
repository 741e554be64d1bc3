#!/usr/bin/env bash
# Adapt shards on all hosts of a Cloud TPU slice: each takes its share, and needs nothing of the others.
#
#   scripts/cluster/tpu.sh SLICE ZONE DATA OUT [options of jaxanon anonymize]
#   jaxanon report OUT          # sums up, while it runs and afterwards
#
# DATA (a folder of shards) and OUT lie on a file system that all hosts see, where jaxanon is installed
# with the extra tpu (`gcloud compute tpus tpu-vm ssh SLICE --worker=all --command='pip install ...'`).
# Give the same command again after an interruption: finished shards are passed over. Hosts whose
# connection was cut off work on; `--command='pkill -f "[j]axanon anonymize"'` ends them.
set -euo pipefail
if [ $# -lt 4 ]; then
  echo "usage: $0 SLICE ZONE DATA OUT [options of jaxanon anonymize]" >&2
  exit 2
fi

# What each host does; it is sent to them as text.
on_host() {
  set -euo pipefail
  local data=$1 out=$2 number hosts
  shift 2
  attribute() {
    curl -sSf -H 'Metadata-Flavor: Google' \
      "http://${GCE_METADATA_IP:-metadata.google.internal}/computeMetadata/v1/instance/attributes/$1"
  }
  number=$(attribute agent-worker-number)
  hosts=$(attribute worker-network-endpoints | tr ',' '\n' | grep -c .)
  if [ "$hosts" -gt 1 ]; then
    # Else each process would wait for all others, also when one of them is begun again. Hosts of
    # slices that span several have four chips each, two by two.
    export TPU_PROCESS_BOUNDS=1,1,1 TPU_CHIPS_PER_PROCESS_BOUNDS=2,2,1 TPU_VISIBLE_DEVICES=0,1,2,3
  fi
  # A host that does not find its chips is to fail, not to fall back to its CPU.
  export JAX_PLATFORMS=${JAX_PLATFORMS:-tpu}
  export PATH=$HOME/.local/bin:$PATH  # where pip puts commands for a single user
  exec jaxanon anonymize "$data" -o "$out" --resume --shard "$((number + 1))/$hosts" "$@"
}

slice=$1 zone=$2
shift 2
sent="$(declare -f on_host); on_host$(printf ' %q' "$@")"
exec gcloud compute tpus tpu-vm ssh "$slice" --zone="$zone" --worker=all \
  --command="bash -c $(printf '%q' "$sent")"
