"""Who may do what on S3 and in Tarantool: every key does its own work and is refused everything else."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import tarantool
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from xflow.settings import Settings, read_env_file

pytestmark = pytest.mark.services

ACCESS_DENIED, WRONG_PASSWORD = 42, 47  # codes of Tarantool
VIEW_OF_SPACES = 281
FOREIGN_BUCKET = "xflow-foreign"


@pytest.fixture(scope="module")
def variables(stores: Settings, stack_home: Path) -> dict[str, str]:
    """What the .env of the running stack says."""
    return read_env_file(stack_home / "env")


def s3_client(variables: dict[str, str], access: str | None, secret: str | None) -> Any:
    config = Config(signature_version=None if access else UNSIGNED, retries={"max_attempts": 1})
    session = boto3.Session(access, secret, region_name="us-east-1")
    return session.client("s3", endpoint_url=variables["XFLOW_S3_ENDPOINT"], config=config)


def assert_denied(call: Callable[..., object], codes: tuple[str, ...] = ("AccessDenied",), **arguments: object) -> None:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] in codes


@pytest.fixture(scope="module")
def foreign_bucket(variables: dict[str, str]) -> Iterator[str]:
    """A bucket that an administrator has made on the server's own machine, with an object in it."""

    def administer(command: str) -> None:
        ports = variables["XFLOW_S3_MASTER_PORT"], variables["XFLOW_S3_MASTER_GRPC_PORT"]
        filer = variables["XFLOW_S3_FILER_PORT"], variables["XFLOW_S3_FILER_GRPC_PORT"]
        weed = [Path(sys.executable).with_name("weed"), "shell"]
        where = [f"-master=127.0.0.1:{'.'.join(ports)}", f"-filer=127.0.0.1:{'.'.join(filer)}"]
        subprocess.run([*weed, *where], input=command, text=True, check=True, capture_output=True, timeout=300)

    administer(f"s3.bucket.create -name {FOREIGN_BUCKET}\nfs.mkdir /buckets/{FOREIGN_BUCKET}/a\n")
    yield FOREIGN_BUCKET
    administer(f"s3.bucket.delete -name {FOREIGN_BUCKET}\n")


def test_the_key_of_xflow_keeps_to_its_bucket(variables: dict[str, str], foreign_bucket: str) -> None:
    own = variables["XFLOW_S3_BUCKET"]
    s3 = s3_client(variables, variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    s3.put_object(Bucket=own, Key="privileges/a", Body=b"1")
    assert s3.get_object(Bucket=own, Key="privileges/a")["Body"].read() == b"1"
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [own]
    assert_denied(s3.put_object, Bucket=foreign_bucket, Key="a", Body=b"1")
    assert_denied(s3.list_objects_v2, Bucket=foreign_bucket)
    assert_denied(s3.get_object, Bucket=foreign_bucket, Key="a")
    assert_denied(s3.copy_object, Bucket=foreign_bucket, Key="a", CopySource={"Bucket": own, "Key": "privileges/a"})
    assert_denied(s3.create_bucket, Bucket="xflow-another")
    assert_denied(s3.delete_bucket, Bucket=own)
    assert_denied(s3.put_bucket_acl, Bucket=own, ACL="public-read")
    assert_denied(s3.put_bucket_policy, Bucket=own, Policy="{}")
    s3.delete_object(Bucket=own, Key="privileges/a")


def test_the_key_of_mlflow_keeps_to_its_prefix(variables: dict[str, str], foreign_bucket: str) -> None:
    own = variables["XFLOW_S3_BUCKET"]
    xflow = s3_client(variables, variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    s3 = s3_client(variables, variables["XFLOW_MLFLOW_S3_ACCESS_KEY"], variables["XFLOW_MLFLOW_S3_SECRET_KEY"])
    xflow.put_object(Bucket=own, Key="privileges/a", Body=b"1")
    s3.put_object(Bucket=own, Key="mlflow/privileges/a", Body=b"2")
    assert s3.get_object(Bucket=own, Key="mlflow/privileges/a")["Body"].read() == b"2"
    assert s3.list_objects_v2(Bucket=own, Prefix="mlflow/privileges/")["KeyCount"] == 1
    for key in ("privileges/a", "mlflowx", "mlflow"):
        assert_denied(s3.put_object, Bucket=own, Key=key, Body=b"3")
        assert_denied(s3.get_object, Bucket=own, Key=key)
        assert_denied(s3.delete_object, Bucket=own, Key=key)
    assert_denied(
        s3.copy_object, Bucket=own, Key="mlflow/privileges/b", CopySource={"Bucket": own, "Key": "privileges/a"}
    )
    assert_denied(s3.list_objects_v2, Bucket=own)
    assert_denied(s3.list_objects_v2, Bucket=own, Prefix="privileges/")
    assert_denied(s3.list_objects_v2, Bucket=foreign_bucket)
    assert xflow.get_object(Bucket=own, Key="privileges/a")["Body"].read() == b"1"
    s3.delete_object(Bucket=own, Key="mlflow/privileges/a")
    xflow.delete_object(Bucket=own, Key="privileges/a")


@pytest.mark.parametrize("who", ["a wrong secret", "an unknown key", "nobody"])
def test_s3_wants_a_key(variables: dict[str, str], who: str) -> None:
    access = {"a wrong secret": variables["AWS_ACCESS_KEY_ID"], "an unknown key": "unknown", "nobody": None}[who]
    s3 = s3_client(variables, access, access and "wrong")
    refusals = ("SignatureDoesNotMatch", "InvalidAccessKeyId", "AccessDenied")
    own = variables["XFLOW_S3_BUCKET"]
    assert_denied(s3.list_buckets, refusals)
    assert_denied(s3.list_objects_v2, refusals, Bucket=own)
    assert_denied(s3.put_object, refusals, Bucket=own, Key="privileges/b", Body=b"1")


def test_s3_keys_lie_in_a_private_file(stores: Settings, stack_home: Path) -> None:
    assert (stack_home / "s3.json").stat().st_mode & 0o077 == 0


@contextlib.contextmanager
def feature_store(uri: str, **options: Any) -> Iterator[tarantool.Connection]:
    place = urlsplit(uri)
    given = {"user": place.username, "password": place.password, "fetch_schema": False, **options}
    connection = tarantool.Connection(
        place.hostname, place.port, **given, reconnect_max_attempts=1, connection_timeout=5
    )
    try:
        yield connection
    finally:
        connection.close()


def refusal(call: Callable[..., object], *arguments: object) -> int:
    with pytest.raises(tarantool.error.DatabaseError) as caught:
        call(*arguments)
    return int(caught.value.code)


def test_tarantool_refuses_guests_and_wrong_passwords(stores: Settings) -> None:
    with feature_store(stores.tarantool_uri, user=None, password=None) as guest:
        assert refusal(guest.call, "feature_ready", ("id",)) == ACCESS_DENIED
        assert refusal(guest.eval, "return 1") == ACCESS_DENIED
        assert refusal(guest.execute, 'SELECT * FROM "feature_set"') == ACCESS_DENIED
    for user in ("xflow", "admin"):
        with (
            pytest.raises(tarantool.error.NetworkError) as caught,
            feature_store(stores.tarantool_uri, user=user, password="wrong"),
        ):
            pass
        # The driver calls a refused sign-in a network error.
        assert isinstance(caught.value.__cause__, tarantool.error.DatabaseError)
        assert caught.value.__cause__.code == WRONG_PASSWORD


def test_the_user_of_tarantool_changes_nothing_but_through_its_functions(stores: Settings) -> None:
    with feature_store(stores.tarantool_uri, fetch_schema=True, encoding=None) as connection:
        spaces = {row[2]: row[0] for row in connection.select(VIEW_OF_SPACES)}
        for name in (b"feature_set", b"feature_series"):
            connection.select(spaces[name])
            assert refusal(connection.insert, spaces[name], (1, "a", "b")) == ACCESS_DENIED
            assert refusal(connection.delete, spaces[name], 1) == ACCESS_DENIED
        assert b"_user" not in spaces
        assert refusal(connection.execute, 'SELECT * FROM "_user"') == ACCESS_DENIED
        assert refusal(connection.execute, "CREATE TABLE t (i INT PRIMARY KEY)") == ACCESS_DENIED
        assert refusal(connection.eval, "return 1") == ACCESS_DENIED
        for function in ("box.schema.user.passwd", "os.execute", "loadstring"):
            assert refusal(connection.call, function, ("t",)) == ACCESS_DENIED
