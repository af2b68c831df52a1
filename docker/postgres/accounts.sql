-- Accounts and databases of Airflow and MLflow, each account the owner of its own and a stranger everywhere else.
-- Run at every start, by the superuser, with airflow_password and mlflow_password set as psql variables.

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['airflow', 'mlflow']) AS name
WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = name)
\gexec

-- The statement with the password stays out of the server's log, should it fail.
SET log_min_error_statement = panic;
ALTER ROLE airflow PASSWORD :'airflow_password';
ALTER ROLE mlflow PASSWORD :'mlflow_password';
RESET log_min_error_statement;

SELECT format('CREATE DATABASE %I OWNER %I', name, owner)
FROM (VALUES ('airflow', 'airflow'), ('mlflow', 'mlflow'), ('mlflow_auth', 'mlflow')) AS wanted (name, owner)
WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = name)
\gexec

SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname)
FROM pg_database
WHERE datname IN ('airflow', 'mlflow', 'mlflow_auth', 'postgres', 'template1')
\gexec
