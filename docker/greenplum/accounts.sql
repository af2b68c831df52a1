-- The accounts of the mart: `xflow` loads it, `xflow_reader` reads it, `xflow_serving` reads it and adds to the log of
-- served predictions, nobody else comes in. Run in the mart's database by its superuser, on Greenplum 6 and 7 and on
-- PostgreSQL, at every start: what an earlier version let them own or do is taken back. The session brings the
-- passwords, in the settings xflow.loader_password, xflow.reader_password and xflow.serving_password.

DO $$
DECLARE
    account record;
BEGIN
    FOR account IN
        SELECT 'xflow' AS name, current_setting('xflow.loader_password') AS password
        UNION ALL
        SELECT 'xflow_reader', current_setting('xflow.reader_password')
        UNION ALL
        SELECT 'xflow_serving', current_setting('xflow.serving_password')
    LOOP
        IF account.password = '' THEN
            RAISE EXCEPTION 'no password for role %', account.name;
        END IF;
        IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = account.name) THEN
            EXECUTE format('CREATE ROLE %I', account.name);
        END IF;
        BEGIN
            EXECUTE format(
                'ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %L', account.name, account.password
            );
        EXCEPTION WHEN OTHERS THEN
            -- The error as it is would show the statement, and the password with it.
            RAISE EXCEPTION 'role % was refused its password: %', account.name, SQLERRM;
        END;
    END LOOP;
END
$$;

-- Of databases: the loader may sign in to this one and make temporary tables there, the others may sign in.
DO $$
DECLARE
    this text := quote_ident(current_database());
    name text;
BEGIN
    EXECUTE format('ALTER DATABASE %s OWNER TO %I', this, current_user);
    FOR name IN
        SELECT datname FROM pg_catalog.pg_database WHERE datname IN (current_database(), 'postgres', 'template1')
    LOOP
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC, xflow, xflow_reader, xflow_serving', name);
    END LOOP;
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %s TO xflow', this);
    EXECUTE format('GRANT CONNECT ON DATABASE %s TO xflow_reader, xflow_serving', this);
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC, xflow, xflow_reader, xflow_serving;

-- Of schemas: the mart is the loader's.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'mart') THEN
        CREATE SCHEMA mart;
    END IF;
END
$$;
ALTER SCHEMA mart OWNER TO xflow;

-- Restored tables and views may be another role's.
DO $$
DECLARE
    other record;
BEGIN
    FOR other IN
        SELECT c.oid::regclass::text AS name, CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'mart' AND c.relkind IN ('r', 'p', 'v') AND pg_get_userbyid(c.relowner) <> 'xflow'
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO xflow', other.kind, other.name);
    END LOOP;
END
$$;

-- Of tables and views: the reader and the service see those that are there and those that the loader will make.
REVOKE ALL ON SCHEMA mart FROM PUBLIC, xflow_reader, xflow_serving;
REVOKE ALL ON ALL TABLES IN SCHEMA mart FROM PUBLIC, xflow_reader, xflow_serving;
GRANT USAGE ON SCHEMA mart TO xflow_reader, xflow_serving;
GRANT SELECT ON ALL TABLES IN SCHEMA mart TO xflow_reader, xflow_serving;
ALTER DEFAULT PRIVILEGES FOR ROLE xflow IN SCHEMA mart GRANT SELECT ON TABLES TO xflow_reader, xflow_serving;

-- The loader makes the log, and grants this itself when it does so later than here.
DO $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'mart' AND c.relname = 'served_prediction'
    ) THEN
        GRANT INSERT ON mart.served_prediction TO xflow_serving;
    END IF;
END
$$;

-- Everybody may make large objects unless told otherwise, and nothing here uses them.
DO $$
DECLARE
    maker text;
BEGIN
    FOR maker IN
        SELECT p.oid::regprocedure::text
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'pg_catalog' AND p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', maker);
    END LOOP;
END
$$;
