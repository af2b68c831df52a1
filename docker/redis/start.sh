#!/bin/sh
# Redis as the broker of tasks: one password, and what was queued outlives a restart. Started by the container as
# root, it goes on as redis. The password is in XFLOW_REDIS_PASSWORD; Redis reads it from its standard input.
set -eu

case ${XFLOW_REDIS_PASSWORD:?is not set: run ./start.sh env} in
  *[!A-Za-z0-9_-]*) echo "XFLOW_REDIS_PASSWORD may have letters, digits, _ and - only: it is part of a URL" >&2; exit 1 ;;
esac
if [ "$(id -u)" = 0 ]; then
  chown redis:redis /data
  exec setpriv --reuid=redis --regid=redis --clear-groups --no-new-privs sh "$0"
fi
umask 077
exec redis-server - <<CONFIG
requirepass $XFLOW_REDIS_PASSWORD
dir /data
appendonly yes
appendfsync everysec
save ""
# A queue that is full refuses tasks, and loses none.
maxmemory ${XFLOW_REDIS_MEMORY:-256mb}
maxmemory-policy noeviction
# A worker that vanished without a word.
tcp-keepalive 60
CONFIG
