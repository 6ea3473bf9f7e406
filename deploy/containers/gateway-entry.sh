#!/bin/sh
# The compiled control loop, out of the image into memory: the image is read-only, and the compiler keeps its
# files only where it may write. A kernel that is not there is compiled, which takes a minute.
set -eu
cp -R /opt/compiled "$NUMBA_CACHE_DIR"
exec "$@"
