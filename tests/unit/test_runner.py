"""What the runner makes of errors that no adapter knows."""

import errno

import pytest

from xflow.errors import DiskFull
from xflow.runner import _explained


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_can_be_retried_and_names_the_folder(code, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    error = _explained(OSError(code, "No space left on device"))
    assert isinstance(error, DiskFull)
    assert str(tmp_path) in str(error)


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "No such file"), ValueError("other")])
def test_other_errors_stay_what_they_are(error):
    assert _explained(error) is error
