"""One suite over the object stores: the fake and S3."""

import hashlib
import inspect
import os
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import boto3.exceptions
import botocore.exceptions
import pytest
import s3transfer.exceptions

from xflow.adapters.memory import MemoryStore
from xflow.adapters.s3 import S3Store
from xflow.errors import (
    AccessDenied,
    ConfigInvalid,
    InputChanged,
    InputMissing,
    Permanent,
    Retryable,
    ServiceUnavailable,
    XflowError,
)
from xflow.ports import ObjectStore
from xflow.settings import Settings

HOSTILE_KEYS = ["ряд ü/%41+b", "a?b#c&d=e", "quote'\"s", "tab\there", "x" * 200]


@pytest.fixture
def s3(stores: Settings) -> S3Store:
    return S3Store(stores.s3_endpoint, stores.s3_bucket, stores.s3_access_key, stores.s3_secret_key)


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.services)])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return MemoryStore() if request.param == "memory" else request.getfixturevalue("s3")


@pytest.fixture
def prefix() -> str:
    return f"tests/{uuid.uuid4().hex}/"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_bytes_come_back(store: ObjectStore, prefix: str, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    written = store.put(f"{prefix}a.parquet", data)
    (listed,) = store.list(f"{prefix}a.parquet")
    assert (listed.uri, listed.size, listed.etag) == (written.uri, len(data), written.etag)
    assert written.sha256 == digest(data)
    assert store.get(listed) == data
    read = store.download(listed, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == data
    assert (read.sha256, read.size) == (digest(data), len(data))


def test_manifests_are_found_below_a_prefix(store: ObjectStore, prefix: str) -> None:
    assert list(store.manifests(prefix)) == []
    for name in ("b/_manifest.json", "a/_manifest.json", "a/part.parquet", "a/_other", "c/my_manifest.json"):
        store.put(prefix + name, name.encode())
    found = store.manifests(prefix)
    assert [ref.uri for ref in found] == [store.uri(f"{prefix}{name}/_manifest.json") for name in "ab"]
    assert store.get(found[0]) == b"a/_manifest.json"


def test_a_file_comes_back(store: ObjectStore, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x" * 100_000)
    written = store.put(f"{prefix}in", tmp_path / "in")
    assert (written.sha256, written.size) == (digest(b"x" * 100_000), 100_000)
    assert store.list(f"{prefix}in")[0].etag == written.etag
    assert store.get(written) == b"x" * 100_000


@pytest.mark.services
def test_a_file_of_several_parts_comes_back(s3: S3Store, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(os.urandom(1000) + bytes(70 * 1024**2))
    written = s3.put(f"{prefix}in", tmp_path / "in")
    assert "-" in written.etag  # an etag of parts
    assert s3.download(written, tmp_path / "out").size == 70 * 1024**2 + 1000
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


def test_a_location_is_a_key_or_a_uri(store: ObjectStore, prefix: str) -> None:
    uri = store.uri(f"{prefix}a")
    assert uri.startswith("s3://")
    assert uri.endswith(f"/{prefix}a")
    assert store.uri(uri) == uri
    store.put(uri, b"1")
    assert store.get(store.list(f"{prefix}a")[0]) == b"1"


def test_a_prefix_lists_visible_objects_in_order(store: ObjectStore, prefix: str) -> None:
    for name in ("b", "a", "c/d", "_manifest.json", "c/.hidden"):
        store.put(prefix + name, b"1")
    store.put(f"{prefix[:-1]}-neighbour", b"1")
    assert [ref.uri for ref in store.list(prefix)] == [store.uri(prefix + name) for name in ("a", "b", "c/d")]


def test_every_part_of_a_name_hides_and_what_is_left_out_is_told(store: ObjectStore, prefix: str) -> None:
    """The prefix's own parts hide nothing."""
    below = f"{prefix}_own/.x/"
    data = ("part-0.parquet", "year=2024/part-0.parquet", "year=2024/part-00001")
    left_out = (
        ".ipynb_checkpoints/part-0-checkpoint.parquet",
        "_SUCCESS",
        "_delta_log/0.json",
        "_temporary/0/part-9.parquet",
        "year=2024/_tmp/a.parquet",
        "year=2024_$folder$",
    )
    for name in (*data, *left_out):
        store.put(below + name, b"1")
    store.put(f"{below}year=2024", b"")
    found = store.listing(below)
    assert [ref.uri for ref in found.objects] == [store.uri(below + name) for name in data]
    assert list(found.left_out) == sorted(store.uri(below + name) for name in (*left_out, "year=2024"))
    assert store.list(below) == [*found.objects]
    assert store.listing(f"{below}_SUCCESS").objects[0].uri == store.uri(f"{below}_SUCCESS")  # named, it is read


def test_nothing_to_read_says_what_lies_there_and_what_to_write(store: ObjectStore, prefix: str) -> None:
    store.put(f"{prefix}a/_temporary/part-0.parquet", b"1")
    with pytest.raises(InputMissing, match=r"nothing to read below this prefix but 1 hidden .*_temporary/part-0"):
        store.listing(f"{prefix}a/")
    with pytest.raises(InputMissing, match=f"there are objects below it: write s3://.*/{prefix}a/$"):
        store.listing(f"{prefix}a")
    with pytest.raises(InputMissing, match="wildcards are not read"):
        store.listing(f"{prefix}*.parquet")
    with pytest.raises(InputMissing, match=r"b: no such object\. Upload the input"):
        store.listing(f"{prefix}b")


def test_other_ways_to_write_a_location(store: ObjectStore, prefix: str) -> None:
    written = store.put(f"{prefix}a", b"1")
    assert store.list(written.uri.replace("s3://", "s3a://")) == store.list(f"{prefix}a")
    for wrong in (f"http://host/{prefix}", f" {prefix}a", f"/{prefix}a", "s3:///a"):
        with pytest.raises(ConfigInvalid, match="write "):
            store.list(wrong)


def test_more_than_a_page_is_listed_and_deleted(store: ObjectStore, prefix: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: store.put(f"{prefix}{i:04d}", b"1"), range(1003)))
    assert len(store.list(prefix)) == 1003
    store.delete(prefix)
    with pytest.raises(InputMissing):
        store.list(prefix)


@pytest.mark.parametrize("name", HOSTILE_KEYS)
def test_odd_keys(store: ObjectStore, prefix: str, name: str) -> None:
    written = store.put(prefix + name, name.encode())
    assert store.list(prefix) == [written.model_copy(update={"sha256": ""})]
    assert store.get(written) == name.encode()


def test_absent_objects_and_prefixes(store: ObjectStore, prefix: str, tmp_path: Path) -> None:
    written = store.put(f"{prefix}a", b"1")
    store.delete(prefix)
    for absent in (prefix, f"{prefix}a"):
        with pytest.raises(InputMissing):
            store.list(absent)
    for foreign in ("s3://xflow-no-such-bucket/a", "s3://xflow-no-such-bucket/a/"):
        # A key that is limited to its bucket is not told whether there are others.
        with pytest.raises((InputMissing, AccessDenied)):
            store.list(foreign)
    with pytest.raises(InputMissing):
        store.get(written)
    with pytest.raises(InputMissing):
        store.download(written, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_object_is_not_read(store: ObjectStore, prefix: str, tmp_path: Path) -> None:
    store.put(f"{prefix}a", b"1")
    (first,) = store.list(f"{prefix}a")  # its sha256 is not known
    store.put(f"{prefix}a", b"2")
    for read in (lambda: store.get(first), lambda: store.download(first, tmp_path / "a")):
        with pytest.raises(InputChanged):
            read()
    assert list(tmp_path.iterdir()) == []


def test_other_content_than_promised_is_not_read(store: ObjectStore, prefix: str, tmp_path: Path) -> None:
    ref = store.put(f"{prefix}a", b"1").model_copy(update={"sha256": digest(b"2")})
    for read in (lambda: store.get(ref), lambda: store.download(ref, tmp_path / "a")):
        with pytest.raises(InputChanged):
            read()
    assert list(tmp_path.iterdir()) == []


def test_delete_keeps_the_neighbours(store: ObjectStore, prefix: str) -> None:
    for name in ("run/a", "run/_manifest.json", "run/b/c", "run-2/a"):
        store.put(prefix + name, b"1")
    store.delete(f"{prefix}run/")
    store.delete(f"{prefix}run/")
    assert [ref.uri for ref in store.list(prefix)] == [store.uri(f"{prefix}run-2/a")]


@pytest.mark.parametrize("location", ["", "/", "s3://xflow/", "tests/a"])
def test_delete_refuses_what_is_no_prefix(store: ObjectStore, location: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"refusing|does not begin with"):
        store.delete(location)


@pytest.mark.services
@pytest.mark.parametrize("pair", [("wrong", None), (None, "wrong")])
def test_wrong_credentials(stores: Settings, pair: tuple[str | None, str | None], tmp_path: Path) -> None:
    access, secret = pair
    store = S3Store(
        stores.s3_endpoint, stores.s3_bucket, access or stores.s3_access_key, secret or stores.s3_secret_key
    )
    (tmp_path / "file").write_bytes(b"1")
    for refused in (
        lambda: store.list("a"),
        lambda: store.list("a/"),
        lambda: store.put("a", b""),
        lambda: store.put("a", tmp_path / "file"),
        lambda: store.delete("a/"),
    ):
        with pytest.raises(AccessDenied) as caught:
            refused()
        assert stores.s3_secret_key not in str(caught.value)
    assert stores.s3_secret_key not in repr(store)


@pytest.fixture(scope="module")
def nowhere() -> S3Store:
    """A store whose port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return S3Store(f"http://127.0.0.1:{port}", "xflow", "a", "b")


def test_no_server(nowhere: S3Store) -> None:
    with pytest.raises(ServiceUnavailable, match="no answer"):
        nowhere.list("a/")


@pytest.mark.services
def test_an_outage_in_the_middle_of_a_download(
    s3: S3Store, stores: Settings, prefix: str, tmp_path: Path, cut_line: object
) -> None:
    written = s3.put(f"{prefix}a", bytes(20_000_000))
    address = urlsplit(stores.s3_endpoint)
    line = cut_line(address.hostname, address.port, 5_000_000)
    far = S3Store(f"http://127.0.0.1:{line.port}", stores.s3_bucket, stores.s3_access_key, stores.s3_secret_key)
    with pytest.raises(ServiceUnavailable):
        far.download(written, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("NoSuchKey", InputMissing),
        ("404", InputMissing),
        ("AccessDenied", AccessDenied),
        ("SignatureDoesNotMatch", AccessDenied),
        ("PreconditionFailed", InputChanged),
        ("InternalError", ServiceUnavailable),
        ("SlowDown", ServiceUnavailable),
        ("InvalidBucketName", ConfigInvalid),
    ],
)
def test_error_codes(nowhere: S3Store, monkeypatch: pytest.MonkeyPatch, code: str, expected: type[XflowError]) -> None:
    def fail(**_: object) -> None:
        raise botocore.exceptions.ClientError({"Error": {"Code": code, "Message": "said so"}}, "PutObject")

    monkeypatch.setattr(nowhere._client, "put_object", fail)
    with pytest.raises(expected):
        nowhere.put("a", b"")


# Not raised by requests and uploads: the first two while botocore reads its own service files.
OTHERS = {"MissingServiceIdError", "UndefinedModelAttributeError", "InvalidSubscriberMethodError", "S3CopyFailedError"}
OTHERS |= {"S3DownloadFailedError", "S3ValidationError", "TransferNotDoneError"}
DRIVER_ERRORS = [
    error
    for module in (botocore.exceptions, boto3.exceptions, s3transfer.exceptions)
    for name, error in inspect.getmembers(module, inspect.isclass)
    if issubclass(error, Exception) and not issubclass(error, Warning) and name not in OTHERS
]


@pytest.mark.parametrize("error", DRIVER_ERRORS, ids=lambda error: error.__name__)
def test_every_driver_error_is_mapped(
    nowhere: S3Store, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(**_: object) -> None:
        raised = error.__new__(error)
        raised.response = {}
        raise raised

    monkeypatch.setattr(nowhere._client, "put_object", fail)
    with pytest.raises((Retryable, Permanent)):
        nowhere.put("a", b"")
