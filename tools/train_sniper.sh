#!/usr/bin/env bash
# The whole of SNIPER in one go: train_sniper.sh CONFIG [options of train_sniper.py]
set -euo pipefail
exec python "$(dirname "$0")/train_sniper.py" "$@"
