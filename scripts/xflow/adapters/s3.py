"""Objects on S3."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError
from s3transfer.exceptions import (
    CancelledError,
    RetriesExceededError,
    S3UploadFailedError,
)

from xflow.domain.object_names import is_data, no_data, parse_location
from xflow.errors import (
    AccessDenied,
    ConfigInvalid,
    InputChanged,
    InputMissing,
    ServiceUnavailable,
    XflowError,
)
from xflow.refs import Listing, ObjectRef
from xflow.schema import MANIFEST

CHUNK_BYTES = 1024 * 1024
DELETE_KEYS = 1000  # the most that one DeleteObjects request takes
MULTIPART = TransferConfig(multipart_threshold=64 * 1024**2, multipart_chunksize=32 * 1024**2, max_concurrency=4)

# What a request or an upload by parts raises; these have no root in common.
DRIVER_ERRORS = (Boto3Error, BotoCoreError, ClientError, CancelledError, RetriesExceededError, S3UploadFailedError)

MISSING = {"NoSuchKey", "NoSuchBucket", "NotFound", "404"}
DENIED = {
    "AccessDenied",
    "AllAccessDisabled",
    "ExpiredToken",
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "401",
    "403",
}
CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
WRONG = {"InvalidBucketName", "KeyTooLongError", "InvalidURI", "InvalidArgument"}


class S3Store:
    """Objects on S3; a location is an ``s3://bucket/key`` URI or a key in the default bucket.

    Parameters
    ----------
    endpoint
        URL of the S3 server.
    bucket
        The default bucket.
    access_key, secret_key
        Credentials.
    """

    def __init__(self, endpoint: str, bucket: str, access_key: str, secret_key: str) -> None:
        self._endpoint, self._bucket = endpoint, bucket
        with _mapped(endpoint):
            try:
                self._client = boto3.session.Session().client(
                    "s3",
                    endpoint_url=endpoint,
                    aws_access_key_id=access_key,
                    aws_secret_access_key=secret_key,
                    region_name="us-east-1",
                    config=Config(
                        connect_timeout=5,
                        read_timeout=60,
                        retries={"mode": "standard", "max_attempts": 4},
                        s3={"addressing_style": "path"},
                        # Checksum trailers, on by default, are unknown to many S3 servers.
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                    ),
                )
            except ValueError as error:
                raise ConfigInvalid(f"XFLOW_S3_ENDPOINT: {error}") from error

    def __repr__(self) -> str:
        """Show the address without the credentials."""
        return f"S3Store({self._endpoint}, {self._bucket})"

    def uri(self, location: str) -> str:
        """Return the full ``s3://`` URI of a location."""
        bucket, key = self._split(location)
        return f"s3://{bucket}/{key}"

    def list(self, location: str) -> list[ObjectRef]:
        """Return one object, or all that are data below a prefix; see `xflow.ports.ObjectStore`."""
        return [*self.listing(location).objects]

    def listing(self, location: str) -> Listing:
        """Return what lies at a location, and what of it is left out; see `xflow.ports.ObjectStore`."""
        bucket, key = self._split(location)
        if key and not key.endswith("/"):
            return Listing(objects=(self._one(bucket, key),))
        found, left_out = list[ObjectRef](), list[str]()
        for item in self._below(bucket, key):
            ref = _ref(bucket, item["Key"], item)
            if is_data(item["Key"].removeprefix(key), ref.size):
                found.append(ref)
            else:
                left_out.append(ref.uri)
        if not found:
            raise InputMissing(no_data(f"s3://{bucket}/{key}", key, below=False, left_out=sorted(left_out)))
        return Listing(objects=tuple(sorted(found, key=lambda ref: ref.uri)), left_out=tuple(sorted(left_out)))

    def manifests(self, prefix: str) -> Sequence[ObjectRef]:
        """Return the manifests below a prefix ending in ``/``, sorted by URI; none is no error."""
        bucket, key = self._split(prefix)
        found = (item for item in self._below(bucket, key) if item["Key"].endswith(f"/{MANIFEST}"))
        return sorted((_ref(bucket, item["Key"], item) for item in found), key=lambda ref: ref.uri)

    def download(self, ref: ObjectRef, target: Path) -> ObjectRef:
        """Stream an object to a file, checked against `ref`; see `xflow.ports.ObjectStore`.

        The file appears whole or not at all.
        """
        partial = target.with_name(f"{target.name}.partial")
        digest, size = hashlib.sha256(), 0
        try:
            with partial.open("wb") as file:
                for chunk in self._chunks(ref):
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
            verified = _verified(ref, digest.hexdigest(), size)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return verified

    def get(self, ref: ObjectRef) -> bytes:
        """Return a small object's bytes, checked like `download`."""
        data = b"".join(self._chunks(ref))
        _verified(ref, hashlib.sha256(data).hexdigest(), len(data))
        return data

    def put(self, location: str, data: bytes | Path) -> ObjectRef:
        """Write an object from bytes or from a file; it appears whole or not at all."""
        bucket, key = self._split(location)
        with _mapped(self.uri(location)):
            if isinstance(data, bytes):
                answer = self._client.put_object(Bucket=bucket, Key=key, Body=data)
                return _ref(bucket, key, {**answer, "Size": len(data)}, hashlib.sha256(data).hexdigest())
            with data.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self._client.upload_file(str(data), bucket, key, Config=MULTIPART)
        written = self._head(bucket, key)
        if written.size != data.stat().st_size:
            raise InputChanged(f"{written.uri}: another writer replaced it just now. Run the task again.")
        return written.model_copy(update={"sha256": sha256})

    def delete(self, prefix: str) -> None:
        """Delete every object below a prefix; its manifest, when there is one, goes first.

        Raises
        ------
        ConfigInvalid
            The prefix is a whole bucket, or does not end in ``/``.
        """
        bucket, key = self._split(prefix)
        if not key.strip("/") or not key.endswith("/"):
            raise ConfigInvalid(f"refusing to delete s3://{bucket}/{key}: give a prefix that ends in /")
        with _mapped(self.uri(prefix)):
            self._client.delete_object(Bucket=bucket, Key=f"{key}{MANIFEST}")
        keys = [item["Key"] for item in self._below(bucket, key)]
        for at in range(0, len(keys), DELETE_KEYS):
            self._delete_keys(bucket, keys[at : at + DELETE_KEYS])

    def _delete_keys(self, bucket: str, keys: Sequence[str]) -> None:
        with _mapped(f"s3://{bucket}/"):
            request = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
            failed = self._client.delete_objects(Bucket=bucket, Delete=request).get("Errors", [])
        if failed:
            raise from_code(
                failed[0].get("Code", ""), failed[0].get("Message", ""), f"s3://{bucket}/{failed[0]['Key']}"
            )

    def _below(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        with _mapped(f"s3://{bucket}/{prefix}"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                yield from page.get("Contents", [])

    def _one(self, bucket: str, key: str) -> ObjectRef:
        try:
            return self._head(bucket, key)
        except InputMissing as error:
            below = next(self._below(bucket, f"{key}/"), None) is not None
            raise InputMissing(no_data(f"s3://{bucket}/{key}", key, below)) from error

    def _head(self, bucket: str, key: str) -> ObjectRef:
        with _mapped(f"s3://{bucket}/{key}"):
            answer = self._client.head_object(Bucket=bucket, Key=key)
        return _ref(bucket, key, {**answer, "Size": answer["ContentLength"]})

    def _chunks(self, ref: ObjectRef) -> Iterator[bytes]:
        bucket, key = self._split(ref.uri)
        with _mapped(ref.uri):
            body = self._client.get_object(Bucket=bucket, Key=key, IfMatch=f'"{ref.etag}"')["Body"]
            with body:
                yield from body.iter_chunks(CHUNK_BYTES)

    def _split(self, location: str) -> tuple[str, str]:
        return parse_location(location, self._bucket)


def from_code(code: str, text: str, where: str) -> XflowError:
    """Return the error of ours for an S3 error code."""
    if code in MISSING:
        return InputMissing(f"{where}: {code}: no such object or bucket. Upload it, or correct the URI.")
    if code in DENIED:
        return AccessDenied(f"{where}: {code} {text}. Check the access key, its secret and the bucket's policy.")
    if code in CHANGED:
        return InputChanged(f"{where}: replaced since this run listed it. Start a new run to take the new object.")
    if code in WRONG:
        return ConfigInvalid(f"{where}: {code} {text}. Correct the URI or the bucket's name.")
    return ServiceUnavailable(f"{where}: {code} {text}")


def mapped(error: Exception, where: str) -> XflowError:
    """Return the error of ours that stands for one of boto's."""
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return from_code(str(details.get("Code", "")), str(details.get("Message", "")), where)
    if isinstance(error, NoCredentialsError):
        return AccessDenied(f"{where}: no credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
    if isinstance(error, ParamValidationError):
        return ConfigInvalid(f"{where}: {error}")
    return ServiceUnavailable(f"{where}: no answer from S3 ({error}). Is it running? See ./start.sh status.")


@contextmanager
def _mapped(where: str) -> Iterator[None]:
    try:
        yield
    except DRIVER_ERRORS as error:
        # An upload wraps the cause in an error of boto3's own.
        cause = error.__context__ if isinstance(error, Boto3Error) else None
        raise mapped(cause if isinstance(cause, ClientError) else error, where) from error


def _ref(bucket: str, key: str, item: dict[str, Any], sha256: str = "") -> ObjectRef:
    return ObjectRef(uri=f"s3://{bucket}/{key}", etag=item["ETag"].strip('"'), size=item["Size"], sha256=sha256)


def _verified(ref: ObjectRef, sha256: str, size: int) -> ObjectRef:
    if ref.sha256 and ref.sha256 != sha256:
        raise InputChanged(
            f"{ref.uri}: its content has sha256 {sha256[:12]}, expected {ref.sha256[:12]}. "
            "Start a new run to take the new object."
        )
    return ref.model_copy(update={"sha256": sha256, "size": size})
