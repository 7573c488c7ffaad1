#!/bin/sh
# Turns a minimal Debian into the root file system of the image: Parley from /src in /opt/parley, and nothing else.
# Dockerfile calls it. It removes /src, so that is a copy. PIP_INDEX_URL and the other variables of pip work as usual.
set -eu

fail() {
    echo "build.sh: $1" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail "must run as root, in the root file system that it is to change"
# A clone there is somebody's work, not a copy.
{ [ -f /src/pyproject.toml ] && [ ! -e /src/.git ]; } || fail "/src is not a copy of Parley's files"

export DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
apt-get -q update
# ca-certificates: for pip, and for TLS to mail servers and NATS afterwards.
apt-get -qy install --no-install-recommends ca-certificates python3 python3-venv
python3 -m venv /opt/parley
# Wheels alone: a package that would need a compiler is an error here, and not a compiler in the image. nkeys has none,
# and is of Python.
/opt/parley/bin/python -m pip install --quiet --only-binary=:all: --no-binary=nkeys \
    --constraint /src/constraints.txt "/src[cluster]"

# The running server installs nothing.
/opt/parley/bin/python -m pip --quiet uninstall --yes pip
# What others only suggest counts as needed otherwise, and stays.
apt-get -qy -o APT::AutoRemove::SuggestsImportant=false purge --auto-remove python3-venv
apt-get clean
rm -rf /src /var/lib/apt/lists/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/* /tmp/* /root/.cache
/opt/parley/bin/parley --version
