#!/bin/sh
# restore-to.sh BASE DATA TIME [WAL]: make of a base backup a server's empty data directory that, at its next
# start, goes through the kept log up to TIME (ISO 8601 with its offset) and takes writes from there.
# TIME "latest": to the end of what was kept. The server must not run.
set -eu
[ $# -ge 3 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
base=$1 data=$2 time=$3 kept=${4:-/var/lib/postgresql/kept/wal}
[ -f "$base/backup_manifest" ] || { echo "restore-to: $base is no base backup" >&2; exit 1; }
[ -d "$kept" ] || { echo "restore-to: there is no log in $kept" >&2; exit 1; }
if [ -e "$data" ] && [ -n "$(ls -A "$data")" ]; then
    echo "restore-to: $data is not empty" >&2; exit 1
fi
case $time in
latest) target= ;;
*[!0-9TtZz:.+\ -]*|"") echo "restore-to: TIME is '$time': as 2026-11-23T14:30:00+01:00, or latest" >&2; exit 1 ;;
*) target="recovery_target_time = '$time'" ;;
esac
pg_verifybackup --quiet "$base"
mkdir -p "$data"
cp -a "$base/." "$data"
chmod 700 "$data"
cat >> "$data/postgresql.auto.conf" <<END
restore_command = 'cp "$kept/%f" "%p"'
recovery_target_action = 'promote'
$target
END
touch "$data/recovery.signal"
sync
echo "start the server on $data: it goes to $time, then takes writes"
