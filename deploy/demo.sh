#!/bin/sh
# The demo: installs what is missing, builds Lockkeeper, and starts a throw-away Postgres under live
# traffic with Lockkeeper before it. Ctrl-C ends it and removes everything it made.
#
#   sh deploy/demo.sh             for a person: prints the psql line to paste and what to try
#   sh deploy/demo.sh --script    plays the whole story by itself and ends with a summary
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin

sh deploy/setup.sh demo
echo "demo: building the release (a few minutes the first time)"
cargo build --release --locked --package lockkeeper --bin lockkeeper
exec "${CARGO_TARGET_DIR:-target}/release/lockkeeper" demo "$@"
