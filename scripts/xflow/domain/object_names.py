"""Names of objects: what a location means, and which of the objects below a prefix are data."""

import re
from collections.abc import Iterable

from xflow.errors import ConfigInvalid

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_S3 = ("s3", "s3a", "s3n")
_MARKER = "_$folder$"
EXAMPLES = 5


def parse_location(location: str, bucket: str) -> tuple[str, str]:
    """Return bucket and key of a location: an ``s3://`` URI, or a key in the default bucket.

    Hadoop's ``s3a://`` and ``s3n://`` mean the same.

    Raises
    ------
    ConfigInvalid
        It has another scheme, begins with a blank or a ``/``, or names no bucket.
    """
    scheme, separator, rest = location.partition("://")
    if separator and scheme.lower() in _S3:
        named, _, key = rest.partition("/")
        if not named.strip():
            raise ConfigInvalid(f"{location!r} names no bucket: write s3://bucket/key")
        return named, key
    if _SCHEME.match(location.lstrip()):
        raise ConfigInvalid(
            f"{location!r} is no address on S3: write s3://bucket/key, or the key alone for the stack's own bucket. "
            "The server's address is that of the stack (XFLOW_S3_ENDPOINT)"
        )
    if location[:1].isspace() or location.startswith("/"):
        raise ConfigInvalid(f"{location!r}: a key does not begin with a blank or a /: write {location.lstrip('/ ')!r}")
    return bucket, location


def plain_location(location: str) -> str:
    """Return a location as people give it: without blanks around it, Hadoop's schemes as ``s3://``.

    Raises
    ------
    ConfigInvalid
        See `parse_location`.
    """
    given = location.strip()
    if not given:
        raise ConfigInvalid("an empty address: write s3://bucket/key, or the key alone for the stack's own bucket")
    bucket, key = parse_location(given, "")
    return f"s3://{bucket}/{key}" if bucket else key


def is_data(inside: str, size: int) -> bool:
    """Return whether an object below a prefix is data.

    A part of its name that begins with ``_`` or ``.`` hides it, a folder's all that is below: ``_temporary/``,
    ``_delta_log/``, ``.ipynb_checkpoints/``, ``_SUCCESS``. A marker of a folder is no data either: a name that ends
    in ``/`` or in ``_$folder$``, or an object of 0 bytes that is not called ``.parquet``.

    Parameters
    ----------
    inside
        Its key without the prefix.
    size
        Of the object, in bytes.
    """
    parts = inside.split("/")
    hidden = any(part[:1] in {"_", "."} for part in parts if part)
    marker = not parts[-1] or parts[-1].endswith(_MARKER) or (size == 0 and not parts[-1].endswith(".parquet"))
    return not (hidden or marker)


def is_expected(uri: str) -> bool:
    """Return whether a hidden object says nothing of an input, but that it is whole: nobody is told of it."""
    return uri.rpartition("/")[2] in {"_SUCCESS", "_manifest.json"}


def no_data(uri: str, key: str, below: bool, left_out: Iterable[str] = ()) -> str:
    """Return the message that nothing to read lies at a location.

    Parameters
    ----------
    uri, key
        Of the location.
    below
        Whether objects lie below it, as if it were a prefix.
    left_out
        What lies there and is no data.
    """
    hidden = described(tuple(left_out))
    if hidden:
        return (
            f"{uri}: nothing to read below this prefix but {hidden}. Names that begin with _ or . are not read: upload "
            "the input, or correct input_uri."
        )
    if below:
        return f"{uri}: no such object, but there are objects below it: write {uri}/"
    if "*" in key or "?" in key:
        return f"{uri}: no such object: wildcards are not read. Write the prefix that all objects share, ending in /."
    bucket = uri.split("/")[2]
    if key.startswith(f"{bucket}/"):
        return f"{uri}: nothing lies there, and the bucket is named twice: write s3://{key}"
    what = "no objects below this prefix" if not key or key.endswith("/") else "no such object"
    return f"{uri}: {what}. Upload the input, or correct input_uri."


def described(left_out: tuple[str, ...]) -> str:
    """Return the number of objects that are left out, with up to five examples; ``""`` for none."""
    if not left_out:
        return ""
    more = ", ..." if len(left_out) > EXAMPLES else ""
    what = "hidden object or marker of a folder" if len(left_out) == 1 else "hidden objects and markers of folders"
    return f"{len(left_out)} {what}: {', '.join(left_out[:EXAMPLES])}{more}"
