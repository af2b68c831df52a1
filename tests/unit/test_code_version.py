"""Which commit a run is said to be of: that of a checkout, that of an image, or none."""

import subprocess

import pytest

from xflow import code_version

BAKED = "0123456789abcdef0123456789abcdef01234567"
ROOT = "21 1 0:19 / / rw - overlay overlay rw\n"


@pytest.fixture
def image(tmp_path, monkeypatch):
    """A folder of code that is no checkout, with nothing mounted over it."""
    code = tmp_path / "xflow"
    (code / "scripts").mkdir(parents=True)
    monkeypatch.setattr(code_version, "REPOSITORY", code)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.delenv("XFLOW_GIT_COMMIT", raising=False)
    mount(tmp_path, monkeypatch, ROOT)
    code_version.git_commit.cache_clear()
    yield code
    code_version.git_commit.cache_clear()


def mount(folder, monkeypatch, table):
    (folder / "mountinfo").write_text(table)
    monkeypatch.setattr(code_version, "MOUNTS", folder / "mountinfo")


def git(folder, *arguments):
    identity = ("-c", "user.name=t", "-c", "user.email=t@t")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_an_image_is_of_the_commit_that_it_was_built_from(image, monkeypatch):
    monkeypatch.setenv("XFLOW_GIT_COMMIT", BAKED)
    assert code_version.git_commit() == BAKED


@pytest.mark.parametrize("place", ["", "/scripts", "/dags/pipelines", "/docker", "/docker/airflow/plugins"])
def test_code_mounted_over_an_image_is_not_said_to_be_the_images(image, tmp_path, monkeypatch, place):
    monkeypatch.setenv("XFLOW_GIT_COMMIT", BAKED)
    mount(tmp_path, monkeypatch, f"{ROOT}95 21 8:1 /home/me/xflow{place} {image}{place} ro - ext4 /dev/sda1 rw\n")
    assert code_version.git_commit() == f"{BAKED}-mounted"


def test_a_mount_beside_the_code_changes_nothing(image, tmp_path, monkeypatch):
    monkeypatch.setenv("XFLOW_GIT_COMMIT", BAKED)
    beside = (f"{image}/docker/airflow/airflow.env", f"{image}/scripts_of_mine", f"{tmp_path}/logs", str(tmp_path))
    lines = [f"95 21 8:1 / {place} ro - ext4 /dev/sda1 rw\n" for place in beside]
    mount(tmp_path, monkeypatch, ROOT + "".join(lines))
    assert code_version.git_commit() == BAKED


def test_a_checkout_is_asked_itself_whatever_the_environment_says(image, monkeypatch):
    git(image, "init", "-q")
    (image / "scripts" / "a.py").write_text("1\n")
    git(image, "add", ".")
    git(image, "commit", "-q", "-m", "one")
    monkeypatch.setenv("XFLOW_GIT_COMMIT", BAKED)
    head = git(image, "rev-parse", "HEAD")
    assert code_version.git_commit() == head
    (image / "scripts" / "a.py").write_text("2\n")
    code_version.git_commit.cache_clear()
    assert code_version.git_commit() == f"{head}-dirty"


def test_where_nothing_tells_it_is_unknown(image):
    assert code_version.git_commit() == "unknown"


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library of two modules, whose hash is taken anew by every call."""
    folder = tmp_path / "library"
    (folder / "steps").mkdir(parents=True)
    (folder / "a.py").write_text("1\n")
    (folder / "steps" / "b.sql").write_text("select 1\n")
    monkeypatch.setattr(code_version, "LIBRARY", folder)
    monkeypatch.setattr(code_version, "code_hash", code_version.code_hash.__wrapped__)
    return folder


def test_the_codes_hash_follows_sources_and_nothing_else(library):
    before = code_version.code_hash()
    (library / "README.md").write_text("words")
    (library / "steps" / "__pycache__").mkdir()
    (library / "steps" / "__pycache__" / "a.pyc").write_bytes(b"1")
    assert code_version.code_hash() == before


@pytest.mark.parametrize("change", ["content", "sql", "name", "new", "gone", "moved", "package"])
def test_the_codes_hash_tells_any_change(library, monkeypatch, change):
    before = code_version.code_hash()
    module = library / "a.py"
    if change == "content":
        module.write_text("2\n")
    elif change == "sql":
        (library / "steps" / "b.sql").write_text("select 2\n")
    elif change == "name":
        module.rename(library / "c.py")
    elif change == "new":
        (library / "empty.py").touch()
    elif change == "gone":
        module.unlink()
    elif change == "moved":
        module.rename(library / "steps" / "a.py")
    else:
        monkeypatch.setattr(code_version, "packages", lambda: {"xgboost": "0"})
    assert code_version.code_hash() != before


def test_the_packages_that_compute_are_all_installed():
    assert "absent" not in code_version.packages().values()


def test_the_lock_is_hashed_where_it_lies_beside_the_code(image):
    assert code_version.lock_hash() == ""
    (image / "uv.lock").write_bytes(b"")
    assert code_version.lock_hash() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
