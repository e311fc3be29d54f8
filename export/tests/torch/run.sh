#!/usr/bin/env bash
# Checks a folder of archives with real PyTorch, in Python and in C++.
#
# usage: run.sh FOLDER
#
# KILN_TORCH_PYTHONS   Python interpreters with torch, separated by colons.
#                      Default: every python3 on the PATH that can import torch.
# KILN_TORCH_ALL       if set, all interpreters check all that the first one does. By default the others
#                      check state and results, and leave gradients and transformations to the first.
# KILN_LIBTORCH        where C++ finds libtorch: a folder with include/ and lib/.
#                      Default: the system's (Debian package libtorch-dev), if installed.
# KILN_TORCH_REQUIRED  if set, it is an error when a check is skipped.
set -euo pipefail
folder="${1:?usage: run.sh FOLDER}"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failed=0 skipped=0 pythons=()

skip() {
  echo "skipped: $1"
  skipped=$((skipped + 1))
}

IFS=: read -ra candidates <<< "${KILN_TORCH_PYTHONS:-$(type -ap python3 | paste -sd:)}"
for python in "${candidates[@]}"; do
  if version="$("$python" -W ignore -c 'import torch; print(torch.__version__)' 2> "$work/error")"; then
    echo "checking with $python (torch $version)"
    pythons+=("$python")
    only=""
    if [ ${#pythons[@]} -gt 1 ] && [ -z "${KILN_TORCH_ALL:-}" ]; then only=1; fi
    KILN_TORCH_RESULTS_ONLY="$only" "$python" -W ignore "$here/check.py" "$folder" || failed=1
    if "$python" -W ignore -c 'import torch_geometric' 2> "$work/error"; then
      "$python" -W ignore "$here/train.py" "$folder" || failed=1
    else
      echo "skipped: training beside PyG ($python cannot import torch_geometric)"
    fi
  else
    skip "$python (cannot import torch: $(tail -n 1 "$work/error"))"
  fi
done
[ ${#pythons[@]} -gt 0 ] || skip "checks in Python (no interpreter with torch; set KILN_TORCH_PYTHONS)"

# libtorch of the system is C++ for one version, and so is a folder given.
flags=()
if [ -n "${KILN_LIBTORCH:-}" ]; then
  flags=("-I$KILN_LIBTORCH/include" "-I$KILN_LIBTORCH/include/torch/csrc/api/include"
    "-L$KILN_LIBTORCH/lib" "-Wl,-rpath,$KILN_LIBTORCH/lib")
elif [ -d /usr/include/torch/csrc/api/include ]; then
  flags=(-I/usr/include/torch/csrc/api/include)
fi
if [ ${#flags[@]} -eq 0 ]; then
  skip "checks in C++ (no libtorch; install libtorch-dev or set KILN_LIBTORCH)"
elif ! command -v g++ > "$work/error"; then
  skip "checks in C++ (no g++)"
elif [ ${#pythons[@]} -eq 0 ]; then
  skip "checks in C++ (their inputs are written by Python)"
else
  "${pythons[0]}" -W ignore "$here/check.py" --calls "$folder" "$work/calls.pt"
  if g++ -std=c++17 -O0 -w "$here/load.cpp" -o "$work/load" "${flags[@]}" -ltorch -ltorch_cpu -lc10; then
    "$work/load" "$work/calls.pt" || failed=1
  else
    failed=1
  fi
fi

if [ "$skipped" -gt 0 ] && [ -n "${KILN_TORCH_REQUIRED:-}" ]; then
  echo "FAILED: $skipped checks were skipped, and KILN_TORCH_REQUIRED is set"
  failed=1
fi
exit "$failed"
