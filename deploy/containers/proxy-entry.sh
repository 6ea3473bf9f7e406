#!/bin/sh
# nginx asks a name server for the replicas' addresses, and knows none by itself: the first of this container, as
# its libc does. It would ask all of them in turn, and those of other networks know no replica.
set -eu
server=$(awk '$1 == "nameserver" { print ($2 ~ /:/) ? "[" $2 "]" : $2; exit }' /etc/resolv.conf)
echo "resolver $server valid=2s ipv6=off;" >/tmp/resolver.conf
exec "$@"
