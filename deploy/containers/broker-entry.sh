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
mosquitto -c "$data/mosquitto/mosquitto.conf" &
broker=$!
trap 'kill -TERM "$broker" 2>/dev/null' TERM INT
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
