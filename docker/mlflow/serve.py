"""Start the MLflow server with its two users: an administrator for people, and the pipelines' own.

Everything comes from the environment, since any user of the machine can read a command line. MLflow reads
its own variables (MLFLOW_BACKEND_STORE_URI, MLFLOW_ARTIFACTS_DESTINATION, MLFLOW_HOST, MLFLOW_PORT,
MLFLOW_WORKERS, MLFLOW_SERVER_ALLOWED_HOSTS and others); this file reads

XFLOW_MLFLOW_AUTH_DATABASE_URI
    The database of users and permissions.
MLFLOW_AUTH_CONFIG_PATH
    Where the settings of sign-in are written, with that URI in them: a file of the server's own.
MLFLOW_ADMIN_USERNAME, MLFLOW_ADMIN_PASSWORD
    The administrator.
MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD
    The pipelines' user: it may change what it created, and read the rest.

Both users are set at every start, so that a changed password takes effect and a user who was an
administrator under an older version is one no longer. Users that people made stay as they are.
"""

import configparser
import os
from pathlib import Path
from typing import NamedTuple

SETTINGS = Path(__file__).with_name("basic_auth.ini")
NEEDED = ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION", "MLFLOW_FLASK_SERVER_SECRET_KEY")


class Account(NamedTuple):
    """A user of the server."""

    username: str
    password: str
    is_admin: bool


def main() -> None:
    """Write the settings, set the users, and serve until told to end."""
    for name in NEEDED:
        variable(name)
    accounts = [account("MLFLOW_ADMIN", is_admin=True), account("MLFLOW_TRACKING", is_admin=False)]
    if accounts[0].username == accounts[1].username:
        raise SystemExit(
            f"serve.py: MLFLOW_ADMIN_USERNAME and MLFLOW_TRACKING_USERNAME are both {accounts[0].username}: "
            "pipelines must not be administrators. Give them two names."
        )
    database = variable("XFLOW_MLFLOW_AUTH_DATABASE_URI")
    write_settings(Path(variable("MLFLOW_AUTH_CONFIG_PATH")), database)
    # The server needs the administrator's name, but nobody's password.
    os.environ["MLFLOW_AUTH_ADMIN_USERNAME"] = accounts[0].username
    for name in ("MLFLOW_ADMIN_PASSWORD", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        del os.environ[name]
    set_users(database, accounts)
    from mlflow.cli import cli

    cli(["server", "--app-name", "basic-auth", "--serve-artifacts"], prog_name="mlflow")


def variable(name: str) -> str:
    """Return a variable of the environment that must be set."""
    value = os.environ.get(name)
    if not value:
        raise SystemExit(f"serve.py: {name} is not set, and the MLflow server needs it.")
    return value


def account(prefix: str, *, is_admin: bool) -> Account:
    """Return the user that two variables describe."""
    return Account(variable(f"{prefix}_USERNAME"), variable(f"{prefix}_PASSWORD"), is_admin)


def write_settings(target: Path, database: str) -> None:
    """Write the settings of sign-in with the database's address, for this user's eyes alone."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read_string(SETTINGS.read_text())
    # MLflow reads the file with interpolation, where % has a meaning.
    settings["mlflow"]["database_uri"] = database.replace("%", "%%")
    target.unlink(missing_ok=True)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        settings.write(file)


def set_users(database: str, accounts: list[Account]) -> None:
    """Create or change the users in the database, which is created or upgraded first."""
    from mlflow.exceptions import MlflowException
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore()
    store.init_db(database)
    for username, password, is_admin in accounts:
        set_user = store.update_user if store.has_user(username) else store.create_user
        try:
            set_user(username, password, is_admin=is_admin)
        except MlflowException as error:
            raise SystemExit(f"serve.py: MLflow did not take the user {username}: {error.message}") from None
    store.engine.dispose()


if __name__ == "__main__":
    main()
