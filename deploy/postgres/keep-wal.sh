#!/bin/sh
# archive_command = 'sh .../keep-wal.sh "%p" "%f"': one finished piece of the write-ahead log into $SPONDYL_WAL,
# on the disk before PostgreSQL is told so; a piece that is there already is kept, and must be the same.
set -eu
from=$1 name=$2 kept=${SPONDYL_WAL:-/var/lib/postgresql/kept/wal}
mkdir -p "$kept"
if [ -e "$kept/$name" ]; then
    cmp -s "$from" "$kept/$name" || { echo "keep-wal: $kept/$name is there and is another" >&2; exit 1; }
    exit 0
fi
dd if="$from" of="$kept/.$name.$$" bs=1M conv=fsync status=none
mv "$kept/.$name.$$" "$kept/$name"
sync "$kept"
