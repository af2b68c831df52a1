# shellcheck shell=bash
# SeaweedFS: an S3 service.

# The bucket is made after the S3 service answers, and objects can be read when the volume server has signed on.
s3_ready() {
  http_ok "$XFLOW_S3_PORT" /healthz && http_ok "$XFLOW_S3_VOLUME_PORT" /healthz &&
    http_ok "$XFLOW_S3_FILER_PORT" "/buckets/$XFLOW_S3_BUCKET/?limit=1"
}

# The server reads the file at its start.
s3_identities() {
  (
    umask 077
    export XFLOW_S3_BUCKET AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY XFLOW_MLFLOW_S3_ACCESS_KEY XFLOW_MLFLOW_S3_SECRET_KEY
    sh "$ROOT/docker/seaweedfs/identities.sh" >"$XFLOW_HOME/s3.json"
  )
}

s3_up() {
  if service_running s3 && s3_ready; then return 0; fi
  mkdir -p "$XFLOW_HOME/s3" || return 1
  s3_identities || return 1
  service_start s3 true "$ROOT/.venv/bin/weed" mini -options="$ROOT/docker/seaweedfs/mini.options" \
    -dir="$XFLOW_HOME/s3" -s3.config="$XFLOW_HOME/s3.json" -bucket="$XFLOW_S3_BUCKET" \
    -s3.port="$XFLOW_S3_PORT" -s3.port.grpc="$XFLOW_S3_GRPC_PORT" \
    -master.port="$XFLOW_S3_MASTER_PORT" -master.port.grpc="$XFLOW_S3_MASTER_GRPC_PORT" \
    -volume.port="$XFLOW_S3_VOLUME_PORT" -volume.port.grpc="$XFLOW_S3_VOLUME_GRPC_PORT" \
    -filer.port="$XFLOW_S3_FILER_PORT" -filer.port.grpc="$XFLOW_S3_FILER_GRPC_PORT" \
    -admin.port="$XFLOW_S3_ADMIN_PORT" -admin.port.grpc="$XFLOW_S3_ADMIN_GRPC_PORT"
  service_await s3 60 s3_ready || return 1
  say "s3 is up on port $XFLOW_S3_PORT"
}

s3_down() { service_stop s3 15; }
