# shellcheck shell=bash
# Airflow 3.
AIRFLOW_PROCESSES="airflow-api-server airflow-scheduler airflow-dag-processor airflow-triggerer"
airflow_up() { return 0; }
airflow_down() { return 0; }
