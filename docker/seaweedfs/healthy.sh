#!/bin/sh
# Healthy: S3 answers and has its bucket, and the volume server has signed on.
set -eu

# The image has the wget of BusyBox; one that is built from the package of Python has Python.
get() {
  if command -v wget >/dev/null; then
    wget -q -T 5 -O /dev/null "$1"
  else
    python3 -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' "$1"
  fi
}

get http://127.0.0.1:8333/healthz
get http://127.0.0.1:8080/healthz
get "http://127.0.0.1:8888/buckets/$XFLOW_S3_BUCKET/?limit=1"
