#!/bin/sh
# base-backup.sh [DIR]: everything of this server as it is now, beside the write-ahead log that goes on from it.
# Run by PGUSER (default postgres), who may replicate, at the server's own machine or with PGHOST and PGPORT.
# Every week; what is older than the oldest one that is still wanted may be deleted, log included.
set -eu
into=${1:-/var/lib/postgresql/kept/base}
name=$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p "$into"
trap 'rm -rf "$into/.$name"' EXIT
pg_basebackup -U "${PGUSER:-postgres}" -D "$into/.$name" --checkpoint=fast -X stream --no-password
pg_verifybackup --quiet "$into/.$name"
mv "$into/.$name" "$into/$name"
sync "$into"
echo "$into/$name"
