# Makes the project's virtual environment, .venv, with what the caller names ("." or ".[test]").
# A fresh Debian has Python without venv; as root that is put right here.

set -eu
cd "$(dirname "$0")/.."

packages() {
    missing=""
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "not installed:$missing (as root: apt-get install$missing); what needs them is skipped" >&2
        return 0
    fi
    echo "installing:$missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    # A package that can't be had is not the end: the tests that need it say so.
    apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 \
        || for package in $missing; do apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 || echo "not installed: $package" >&2; done
}

environment() {
    python=$(command -v python3.11 || command -v python3)
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed" >&2; exit 2; }
    if [ ! -x .venv/bin/python ]; then
        "$python" -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; packages python3-venv; "$python" -m venv .venv; }
    fi
    stamp=".venv/installed-$(printf '%s' "$1" | cksum | cut -d' ' -f1)"
    if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
        echo "installing the harness into .venv" >&2
        .venv/bin/python -m pip install --quiet --disable-pip-version-check -e "$1" >&2
        touch "$stamp"
    fi
}
