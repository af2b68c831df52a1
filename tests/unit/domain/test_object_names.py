"""What a location means, and which objects below a prefix are data."""

import re

import pytest

from xflow.domain.object_names import described, is_data, no_data, parse_location, plain_location
from xflow.errors import ConfigInvalid


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("s3://b/in/x/", ("b", "in/x/")),
        ("S3://b/in/x/", ("b", "in/x/")),
        ("s3a://b/in/x/", ("b", "in/x/")),
        ("s3n://b/in", ("b", "in")),
        ("s3://b", ("b", "")),
        ("s3://b//in/", ("b", "/in/")),  # such a key can be written
        ("in/x/", ("own", "in/x/")),
        ("in/a b/ü+%41?.parquet", ("own", "in/a b/ü+%41?.parquet")),
        ("in/dt=2024-01-01T00:00/x", ("own", "in/dt=2024-01-01T00:00/x")),
        ("s3://b/x ", ("b", "x ")),  # as it was listed
    ],
)
def test_a_location_is_a_bucket_and_a_key(location, found):
    assert parse_location(location, "own") == found


@pytest.mark.parametrize(
    ("location", "advice"),
    [
        ("http://host:9000/b/in/", "no address on S3: write s3://bucket/key"),
        ("https://b.s3.amazonaws.com/in/", "no address on S3"),
        ("gs://b/in/", "no address on S3"),
        ("file:///tmp/in/", "no address on S3"),
        ("s3:/b/in/", "no address on S3"),
        ("hdfs://namenode/in", "no address on S3"),
        (" s3://b/in/", "no address on S3"),
        (" in/x/", "does not begin with a blank or a /: write 'in/x/'"),
        ("/in/x/", "does not begin with a blank or a /: write 'in/x/'"),
        ("s3:///in/x/", "names no bucket: write s3://bucket/key"),
        ("s3a://", "names no bucket"),
    ],
)
def test_what_is_no_location_is_refused_with_what_to_write(location, advice):
    with pytest.raises(ConfigInvalid, match=advice):
        parse_location(location, "own")


def test_people_may_leave_blanks_around_a_location():
    assert plain_location("  s3a://b/in/x/\n") == "s3://b/in/x/"
    assert plain_location(" in/x/ ") == "in/x/"
    with pytest.raises(ConfigInvalid, match="an empty address"):
        plain_location("  ")


@pytest.mark.parametrize(
    "name",
    [
        "part-0.parquet",
        "part-00000",
        "year=2024/a=b/part-0.parquet",
        "a_b/c.d/e",
        "x//y.parquet",
        "readme.txt",
        "x_$folder$.parquet",
    ],
)
def test_data(name):
    assert is_data(name, 1)


@pytest.mark.parametrize(
    "name",
    [
        "_SUCCESS",
        "_manifest.json",
        ".part-0.parquet.crc",
        "_temporary/0/_temporary/attempt_1/year=2024/part-7.parquet",
        ".hive-staging_hive_1/-ext-10000/000000_0",
        "_delta_log/00000000000000000000.json",
        "year=2024/_delta_log/1.json",
        ".ipynb_checkpoints/part-0-checkpoint.parquet",
        "__MACOSX/part-0.parquet",
        "year=2024_$folder$",
        "year=2024/",
        "",
    ],
)
def test_a_part_that_hides(name):
    assert not is_data(name, 1)


def test_an_object_of_0_bytes_is_a_marker_but_for_parquet_which_was_cut_off():
    assert not is_data("year=2024", 0)
    assert is_data("year=2024/part-0.parquet", 0)


def test_what_is_left_out_is_counted_with_five_examples():
    assert described(()) == ""
    assert described(("s3://b/_a",)) == "1 hidden object or marker of a folder: s3://b/_a"
    many = described(tuple(f"_{n}" for n in range(7)))
    assert many == "7 hidden objects and markers of folders: _0, _1, _2, _3, _4, ..."


@pytest.mark.parametrize(
    ("key", "below", "left_out", "said"),
    [
        ("in/x", True, (), "there are objects below it: write s3://b/in/x/"),
        ("in/x", False, (), "s3://b/in/x: no such object. Upload"),
        ("b/in/x/", False, (), "the bucket is named twice: write s3://b/in/x/"),
        ("in/x/", False, (), "no objects below this prefix. Upload"),
        ("in/*.parquet", False, (), "wildcards are not read. Write the prefix"),
        ("in/", False, ("s3://b/in/_t/a",), r"nothing to read below this prefix but 1 hidden .*in/_t/a"),
    ],
)
def test_a_location_without_data_says_what_to_write(key, below, left_out, said):
    message = no_data(f"s3://b/{key}", key, below, left_out)
    assert re.search(said, message)
