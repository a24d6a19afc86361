#!/usr/bin/env bash
#SBATCH --job-name=dgrl
#SBATCH --ntasks-per-node=1
#SBATCH --signal=TERM@180
# One training on several machines: what follows the script's name goes to `dgrl train` (docs/several-machines.md).
#
#   sbatch --nodes 2 --gpus-per-node 4 scripts/train-on-machines.sh --images … --masks … --out RUN     Slurm
#   NODES=2 NODE=0 HEAD=first-machine:29500 scripts/train-on-machines.sh …    on the first; NODE=1 on the second
#
# PROCESSES: how many on each machine, by default one for each of its GPUs. PYTHON: that of DGRL's environment.
set -euo pipefail

export PROCESSES=${PROCESSES:-gpu}
if [[ -z ${PYTHON:-} && -x .venv/bin/python ]]; then PYTHON=.venv/bin/python; fi
export PYTHON=${PYTHON:-python3}

train_here() {
  exec "$PYTHON" -m torch.distributed.run --nnodes "$NODES" --node-rank "${NODE:-${SLURM_NODEID:-}}" \
    --nproc-per-node "$PROCESSES" --master-addr "${HEAD%:*}" --master-port "${HEAD##*:}" -m dgrl train "$@"
}

if [[ -n ${SLURM_JOB_ID:-} && -z ${NODE:-} ]]; then
  export NODES=$SLURM_NNODES
  # All of it is read, then the first line taken: `head` would close the pipe while scontrol still writes.
  machines=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
  HEAD=${machines%%$'\n'*}:${PORT:-$((20000 + SLURM_JOB_ID % 10000))}
  export HEAD
  # The text of the function: Slurm runs a copy of this file, which other machines do not have.
  exec srun --ntasks "$NODES" --ntasks-per-node 1 --kill-on-bad-exit=1 \
    bash -c "$(declare -f train_here); train_here \"\$@\"" train_here "$@"
fi
: "${NODES:?how many machines}" "${NODE:?which of them this is, from 0}" "${HEAD:?the first machine and a port, host:port}"
train_here "$@"
