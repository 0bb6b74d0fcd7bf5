"""Key files: 32 bytes that only their owner can read, made once, or an error."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aisecops_langchain.errors import AisecopsError, KeyStoreError
from aisecops_langchain.keyfile import KEY_BYTES, load_key, load_or_create_key


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "seal.key"


def test_a_key_is_made_once_and_read_ever_after(path):
    """The second call finds what the first made; nothing else is left beside it."""
    key = load_or_create_key(path)
    assert len(key) == KEY_BYTES
    assert load_or_create_key(path) == key == load_key(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["seal.key"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_file_and_directory_are_private_whatever_the_umask(path, umask):
    """Mode 0600 in 0700."""
    before = os.umask(umask)
    try:
        load_or_create_key(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_two_keys_differ(tmp_path):
    """They are random."""
    keys = {load_or_create_key(tmp_path / str(number)) for number in range(50)}
    assert len(keys) == 50


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o622, 0o601, 0o777])
@pytest.mark.parametrize("read", [load_key, load_or_create_key])
def test_a_key_that_others_may_touch_is_refused(path, mode, read):
    """It may have been read or replaced; it is neither used nor overwritten, and the error says what to do."""
    key = load_or_create_key(path)
    path.chmod(mode)
    with pytest.raises(KeyStoreError) as caught:
        read(path)
    assert f"{mode:04o}" in str(caught.value)
    assert caught.value.remedy
    assert path.read_bytes() == key


@pytest.mark.parametrize("size", [0, 1, KEY_BYTES - 1, KEY_BYTES + 1, 10_000])
@pytest.mark.parametrize("read", [load_key, load_or_create_key])
def test_a_key_of_another_length_is_refused(path, size, read):
    """A short file never yields a weaker key, and is not replaced behind the user's back."""
    path.parent.mkdir()
    path.write_bytes(b"k" * size)
    path.chmod(0o600)
    with pytest.raises(KeyStoreError, match="damaged"):
        read(path)
    assert path.stat().st_size == size


def test_a_missing_key_is_an_error_for_who_only_reads(path):
    """Reading never makes one."""
    with pytest.raises(KeyStoreError, match="cannot be read"):
        load_key(path)
    assert not path.exists()


@pytest.mark.parametrize("kind", ["directory", "dangling link", "loop"])
@pytest.mark.parametrize("read", [load_key, load_or_create_key])
def test_what_is_no_file_is_refused(path, kind, read):
    """Every oddity of the file system is an error of our tree."""
    path.parent.mkdir()
    if kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "loop" else path.parent / "nowhere")
    with pytest.raises(KeyStoreError):
        read(path)


def test_a_parent_that_is_a_file_is_refused(tmp_path):
    """There is nowhere to put the key."""
    (tmp_path / "keys").write_text("a file")
    with pytest.raises(KeyStoreError, match="cannot be created"):
        load_or_create_key(tmp_path / "keys" / "seal.key")


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from aisecops_langchain.errors import KeyStoreError
from aisecops_langchain.keyfile import load_or_create_key
path = Path(sys.argv[1])
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    load_or_create_key(path)
except KeyStoreError as error:
    print(error)
"""


@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_directory_that_may_not_be_written_is_refused(tmp_path, mode):
    """A user without rights gets a clear error and no key."""
    directory = tmp_path / "keys"
    directory.mkdir()
    directory.chmod(mode)
    try:
        command = [sys.executable, "-c", UNPRIVILEGED, str(directory / "seal.key")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    finally:
        directory.chmod(0o700)
    assert "cannot be created" in done.stdout
    assert "PermissionError" in done.stdout
    assert list(directory.iterdir()) == []


def test_errors_do_not_show_where_the_keys_lie_nor_what_they_are(path):
    """Only the file's name."""
    key = load_or_create_key(path)
    path.chmod(0o644)
    with pytest.raises(AisecopsError) as caught:
        load_key(path)
    assert str(path.parent) not in str(caught.value)
    assert key.hex() not in str(caught.value)


RACE = """
import os, sys
from pathlib import Path
from aisecops_langchain.keyfile import load_or_create_key
go_read, go_write = os.pipe()
out_read, out_write = os.pipe()
for _ in range(8):
    if os.fork() == 0:
        os.close(go_write)
        os.read(go_read, 1)
        for number in range(20):
            key = load_or_create_key(Path(sys.argv[1]) / str(number) / "seal.key")
            os.write(out_write, f"{number} {key.hex()}\\n".encode())
        os._exit(0)
os.close(out_write)
os.close(go_write)
with open(out_read) as out:
    sys.stdout.write(out.read())
"""


def test_processes_that_race_for_a_new_key_get_the_same_one(tmp_path):
    """Eight processes, twenty keys: everybody sees one whole key, and no file is left over."""
    command = [sys.executable, "-c", RACE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.split("\n")[:-1]
    assert len(lines) == 8 * 20
    assert len(set(lines)) == 20
    for number in range(20):
        directory = Path(tmp_path / str(number))
        assert [entry.name for entry in directory.iterdir()] == ["seal.key"]
        assert f"{number} {load_key(directory / 'seal.key').hex()}" in lines
