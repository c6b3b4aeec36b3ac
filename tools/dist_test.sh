#!/usr/bin/env bash
# Test in several processes: dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
# On several machines run it on each, with NNODES, NODE_RANK, MASTER_ADDR and PORT in the environment.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo 'usage: dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]' >&2
    exit 2
fi
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
NNODES=${NNODES:-1}
NODE_RANK=${NODE_RANK:-0}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
TOOLS=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$TOOLS/..${PYTHONPATH:+:$PYTHONPATH}"

# Runs on one machine take a free port, so that they do not collide; several machines have to agree on one.
if [ -z "${PORT:-}" ]; then
    PORT=29500
    if [ "$NNODES" = 1 ]; then
        PORT=$(python -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
    fi
fi

exec python -m torch.distributed.run \
    --nnodes="$NNODES" \
    --node_rank="$NODE_RANK" \
    --master_addr="$MASTER_ADDR" \
    --master_port="$PORT" \
    --nproc_per_node="$GPUS" \
    "$TOOLS/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "${@:4}"
