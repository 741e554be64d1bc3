#!/usr/bin/env bash
# Adapt shards as a Slurm array: each task takes its share, and needs nothing of the others.
#
#   sbatch --array=1-8 scripts/cluster/slurm.sh DATA OUT [options of jaxanon anonymize]
#   jaxanon report OUT          # sums up, while it runs and afterwards
#
# DATA (a folder of shards) and OUT lie on a file system that all nodes see. A task that is
# preempted is sent SIGTERM, ends within its steps in hand, and goes on when Slurm starts it again.
#SBATCH --job-name=jaxanon
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=16
#SBATCH --requeue
#SBATCH --signal=TERM@60
set -euo pipefail
data=$1 out=$2
shift 2
: "${SLURM_ARRAY_TASK_ID:?start it as an array: sbatch --array=1-N}"
if [ "${SLURM_ARRAY_TASK_MIN:-1}" != 1 ]; then
  echo "number the tasks from 1: sbatch --array=1-$SLURM_ARRAY_TASK_COUNT" >&2
  exit 2
fi
exec jaxanon anonymize "$data" -o "$out" --resume \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" "$@"
