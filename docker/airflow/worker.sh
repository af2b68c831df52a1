#!/usr/bin/env bash
# A Celery worker: `worker.sh` for the queue default, `worker.sh gpu` for the queue gpu, one task at a time.
set -euo pipefail
queues=default concurrency=${XFLOW_WORKER_CONCURRENCY:-2}
if [[ ${1:-} == gpu ]]; then
  queues=gpu concurrency=1
elif [[ ,${COMPOSE_PROFILES:-}, != *,gpu,* ]]; then
  queues=default,gpu
  echo "worker: no worker-gpu in this stack (COMPOSE_PROFILES lacks gpu), so this worker takes gpu tasks too, on the CPU"
fi
exec airflow celery worker --queues "$queues" --concurrency "$concurrency" --skip-serve-logs \
  --without-gossip --without-mingle
