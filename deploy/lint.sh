#!/bin/sh
# Reads every deployment file with the tools that are there: shell syntax, YAML, the systemd unit.
# A file that cannot be read is an error; a tool that is missing is said and skipped.
set -eu
cd "$(dirname "$0")/.."

for script in deploy/*.sh .ci/run; do
    case $script in
        .ci/run) bash -n "$script" ;;
        *) sh -n "$script" ;;
    esac
    if command -v shellcheck >/dev/null 2>&1; then
        shellcheck "$script"
    fi
done
echo "scripts: read"

tools=${CARGO_TARGET_DIR:-target}/lint
if [ ! -x "$tools/bin/python" ]; then
    python3 -m venv "$tools"
    "$tools/bin/python" -m pip install --quiet --disable-pip-version-check pyyaml==6.0.3
fi
"$tools/bin/python" deploy/lint.py

if command -v systemd-analyze >/dev/null 2>&1; then
    unit=$(mktemp -d)
    # The program is not installed here; every other line is checked as it is.
    sed 's|/usr/local/bin/lockkeeper|/bin/true|' deploy/systemd/lockkeeper.service >"$unit/lockkeeper.service"
    systemd-analyze verify --man=no "$unit/lockkeeper.service"
    rm -r "$unit"
    echo "systemd unit: read"
else
    echo "systemd unit: not read (no systemd-analyze here)"
fi
