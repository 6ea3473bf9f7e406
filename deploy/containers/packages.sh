#!/bin/sh
# Makes /opt/spondyl: a virtual environment with exactly what a lock file names, every file checked against its
# hash, without what no service runs.   packages.sh LOCK
set -eu
uv venv --quiet --python "$(command -v python3)" /opt/spondyl
uv pip install --quiet --python /opt/spondyl/bin/python --require-hashes --no-deps -r "$1"
cd /opt/spondyl/lib/python3.*/site-packages
# Tests and headers of others. Tests that are imported by their own package stand in no directory of this name.
find . -depth -type d \( -name tests -o -name test \) -not -path './*/testing/*' -exec rm -rf {} +
rm -rf pyarrow/include pyarrow/src numpy/_core/include llvmlite/include fhir/resources/STU3 fhir/resources/DSTU2
# A service of Arrow that nothing here speaks.
rm -f pyarrow/libarrow_flight* pyarrow/libarrow_python_flight* pyarrow/_flight*
find . -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.h' -o -name '*.hpp' -o -name '*.a' | xargs -r rm -f
# The files of an image never change: their bytecode is not compared with them at every import.
/opt/spondyl/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash . >/dev/null || true
