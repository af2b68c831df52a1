#!/bin/sh
# SeaweedFS in a container: S3 on port 8333 with the keys of the environment, and the bucket.
set -eu

here=$(dirname "$0")
umask 077
config=$(mktemp)
sh "$here/identities.sh" >"$config"
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY XFLOW_MLFLOW_S3_ACCESS_KEY XFLOW_MLFLOW_S3_SECRET_KEY

# S3's gRPC port listens where S3 does, and would let anybody add keys: with this key, which nobody else ever
# learns, it wants a signature.
WEED_JWT_FILER_SIGNING_KEY=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export WEED_JWT_FILER_SIGNING_KEY

# Only the shell inside may make a bucket. It waits for the servers by itself.
create_bucket() {
  until echo 's3.bucket.list' | weed shell 2>/dev/null | grep -q "^  ${XFLOW_S3_BUCKET}[[:space:]]"; do
    echo "s3.bucket.create -name $XFLOW_S3_BUCKET" | weed shell >/dev/null 2>&1 || true
    sleep 0.5
  done
}
create_bucket &

exec weed server -options="$here/server.options" -s3.config="$config"
