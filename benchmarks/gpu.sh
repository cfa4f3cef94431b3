#!/usr/bin/env bash
# Measures what only a GPU shows, in under 8 minutes, in the checkout: that the kernels give the CPU's results, operations
# and waits of solver calls, and throughput of the alignment step. Every part runs, whatever happens to the others.
#
#     bash benchmarks/gpu.sh [FOLDER]     # logs go to FOLDER, by default gpu-results
#
# otx need not be installed; torch, triton, transformers, POT, numba, pytest and hypothesis must be.
set -u
cd "$(dirname "$0")/.."
folder=${1:-gpu-results}
mkdir -p "$folder"
# The path, with metadata by which otx finds its plugins where it is not installed.
PYTHONPATH=$(python3 -c 'import os; from scripts.laboratory import site; print(os.pathsep.join(site.import_path()))')
export PYTHONPATH PYTHONUNBUFFERED=1

part() {
    local name=$1 limit=$2 began=$SECONDS
    shift 2
    echo "== $name: $*"
    timeout "$limit" "$@" 2>&1 | tee "$folder/$name.log"
    echo "== $name: exit code ${PIPESTATUS[0]}, $((SECONDS - began)) s"
}

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
part tests 90 python3 -m pytest -q --tb=short --noconftest tests/ot/kernels/test_device.py
part align 200 python3 -m benchmarks.align_gpu --minutes "${ALIGN_MINUTES:-2}"
part memory 90 python3 -m benchmarks.gpu_memory
part solver 90 python3 -m benchmarks.solver_calls
