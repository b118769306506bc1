#!/bin/sh
# Installs what building, testing or showing Lockkeeper needs, and nothing that is there already.
#
#   sh deploy/setup.sh demo     a C compiler, libclang, a Postgres server
#   sh deploy/setup.sh tests    the same, and Python, Node and Java for the driver tests
#
# Debian and Ubuntu: works as root, or as a user who may use sudo. macOS: says what to install.
set -eu

purpose=${1:-tests}
case $purpose in
    demo | tests) ;;
    *)
        echo "usage: sh deploy/setup.sh demo|tests" >&2
        exit 2
        ;;
esac

say() { echo "setup: $*"; }

PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
if ! command -v cargo >/dev/null 2>&1; then
    say "there is no Rust toolchain (cargo). Install Rust 1.90 or newer first." >&2
    exit 1
fi

has() { command -v "$1" >/dev/null 2>&1; }

has_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    for folder in /usr/lib/llvm-*/lib /usr/lib/* /usr/lib64; do
        # Not libclang-cpp, which is another library.
        for file in "$folder"/libclang.so* "$folder"/libclang-[0-9]*.so*; do
            [ -e "$file" ] && return 0
        done
    done
    return 1
}

has_postgres() {
    for file in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$file" ] && return 0
    done
    has initdb
}

has_venv() { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

if [ "$(uname -s)" = Darwin ]; then
    missing=
    has cc || missing="$missing the Xcode command line tools (xcode-select --install);"
    [ -x /opt/homebrew/opt/postgresql@18/bin/initdb ] || [ -x /usr/local/opt/postgresql@18/bin/initdb ] || has initdb ||
        missing="$missing a Postgres server (brew install postgresql@18);"
    if [ "$purpose" = tests ]; then
        has npm || missing="$missing Node (brew install node);"
        has_venv || missing="$missing Python (brew install python);"
        has javac || missing="$missing Java (brew install openjdk);"
        [ -n "${LOCKKEEPER_JDBC_JAR:-}" ] || missing="$missing the PostgreSQL JDBC driver (its path in LOCKKEEPER_JDBC_JAR);"
    fi
    if [ -n "$missing" ]; then
        say "please install:$missing" >&2
        exit 1
    fi
    say "everything is there"
    exit 0
fi

wanted=
has cc || wanted="$wanted build-essential"
has_libclang || wanted="$wanted libclang-dev"
has_postgres || wanted="$wanted postgresql"
has psql || wanted="$wanted postgresql-client"
if [ "$purpose" = tests ]; then
    has git || wanted="$wanted git"
    has_venv || wanted="$wanted python3 python3-venv"
    has node || wanted="$wanted nodejs"
    has npm || wanted="$wanted npm"
    has javac || wanted="$wanted default-jdk-headless"
    [ -e /usr/share/java/postgresql.jar ] || [ -n "${LOCKKEEPER_JDBC_JAR:-}" ] ||
        wanted="$wanted libpostgresql-jdbc-java"
fi
if [ -z "$wanted" ]; then
    say "everything is there"
    exit 0
fi

if ! has apt-get; then
    say "this is no Debian or Ubuntu; please install what these packages hold:$wanted" >&2
    exit 1
fi
root=
if [ "$(id -u)" -ne 0 ]; then
    if ! has sudo; then
        say "not root, and there is no sudo. As root, run: apt-get install$wanted" >&2
        exit 1
    fi
    root=sudo
fi

say "installing:$wanted"
case $wanted in
    *postgresql*) say "(the Postgres package may start a server of its own; Lockkeeper's tests and demo do not touch it)" ;;
esac
$root env DEBIAN_FRONTEND=noninteractive apt-get update -q
# The list is meant to be split into words.
# shellcheck disable=SC2086
$root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $wanted
say "done"
