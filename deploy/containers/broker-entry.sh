#!/bin/sh
# Runs Mosquitto over a directory that others write: it reads rights, revocations and certificates again when a
# file of them changes, and asks itself for its health.   broker-entry.sh DATA | --healthy
set -eu
if [ "$1" = --healthy ]; then
  cd /var/lib/spondyl/secrets
  # To itself, by its own certificate, to a topic it may not write: that it takes the message is the answer.
  exec mosquitto_pub -h localhost -p 8883 --cafile ca.crt --cert mqtt.crt --key mqtt.key -q 1 -t health -n
fi
data=$1
state() { cat "$data"/mosquitto/acl "$data"/mosquitto/passwords "$data"/mosquitto/crl* "$data"/secrets/* 2>/dev/null | cksum; }
PATH=$PATH:/usr/sbin
conf=$data/mosquitto/mosquitto.conf
until [ -s "$conf" ]; do sleep 1; done # the registry, or `spondyl gateway join`, writes it
if grep -q bridge_session_expiry_interval "$(command -v mosquitto)"; then
  running=$(mktemp) # settings that 2.0.21 refuses to start with, and a later one needs
  sed 's/^#where-known //' "$conf" >"$running"
  conf=$running
fi
mosquitto -c "$conf" &
broker=$!
trap 'kill -TERM "$broker"; wait "$broker"; exit $?' TERM INT
known=$(state)
while kill -0 "$broker" 2>/dev/null; do
  sleep 2 &
  wait $! || true
  now=$(state)
  if [ "$now" != "$known" ]; then
    known=$now
    echo "broker-entry: what the broker reads has changed; it reads it again" >&2
    kill -HUP "$broker" 2>/dev/null || true
  fi
done
wait "$broker"
