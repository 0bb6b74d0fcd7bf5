"""``aisecops audit verify``: 0 for a log that verifies, 1 for one that does not, 2 for unusable arguments."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from cli_logs import KEY, Run, segment_of

from aisecops_langchain.audit import AuditLog


def public_key(home: Path) -> Path:
    (key,) = (home / "audit" / "keys").glob("*.pub")
    return key


def test_a_whole_log_verifies(run: Run, home: Path) -> None:
    people = run("audit", "verify", home)
    assert people.exit_code == 0
    assert people.stdout.startswith("Log verified")
    shown = orjson.loads(run("audit", "verify", home / "audit", "--json").stdout)
    assert (shown["ok"], shown["keys_pinned"], shown["problems"]) == (True, False, [])


def test_keys_can_be_pinned_by_file_or_by_digits(run: Run, home: Path) -> None:
    file = public_key(home)
    for key in (str(file), file.read_text().strip()):
        result = run("audit", "verify", home, "--key", key, "--json")
        assert result.exit_code == 0
        assert orjson.loads(result.stdout)["keys_pinned"] is True
    assert run("audit", "verify", home, "--key", "0" * 64).exit_code == 1


def test_several_keys_are_said_wherever_a_log_is_read_and_one_is_not(run: Run, home: Path) -> None:
    for command in (("audit", "verify"), ("replay", "summary"), ("query",)):
        asked = ("select 1",) if command == ("query",) else ()
        assert "Signed with" not in run(*command, home, *asked).stdout
    with AuditLog.open(home / "audit", key=b"o" * 32):
        pass
    for command in (("audit", "verify"), ("replay", "summary"), ("query",)):
        asked = ("select 1",) if command == ("query",) else ()
        assert "Signed with 2 keys" in run(*command, home, *asked).stdout.splitlines()[1]
    told = orjson.loads(run("replay", "summary", home, "--json").stdout)
    assert len(told["log"]["signers"]) == 2


def test_the_end_that_verify_prints_can_be_expected_later(run: Run, home: Path) -> None:
    (end,) = [line.strip() for line in run("audit", "verify", home).stdout.splitlines() if line.count(":") == 2]
    assert run("audit", "verify", home, "--expect", end).exit_code == 0
    segment, seq, _ = end.split(":")
    assert run("audit", "verify", home, "--expect", f"{segment}:{seq}:{'0' * 64}").exit_code == 1


def test_an_edited_or_cut_log_does_not_verify(run: Run, home: Path) -> None:
    segment = segment_of(home / "audit")
    whole = segment.read_bytes()
    for changed in (whole.replace(b"alice", b"mally"), b"".join(whole.splitlines(keepends=True)[:-3])):
        segment.write_bytes(changed)
        result = run("audit", "verify", home)
        assert result.exit_code == 1
        assert "LOG DOES NOT VERIFY" in result.stdout
        assert orjson.loads(run("audit", "verify", home, "--json").stdout)["ok"] is False


def test_a_directory_without_a_log_does_not_verify(run: Run, tmp_path: Path) -> None:
    assert run("audit", "verify", tmp_path).exit_code == 1


@pytest.mark.parametrize(
    "end", ["", "segment", "segment:1", "segment:x:" + "0" * 64, "segment:1:abc", ":1:" + "0" * 64]
)
def test_a_malformed_head_is_unusable(run: Run, home: Path, end: str) -> None:
    assert run("audit", "verify", home, "--expect", end).exit_code == 2


def test_a_key_that_is_none_is_unusable_and_never_shown(run: Run, home: Path, tmp_path: Path) -> None:
    private = tmp_path / "audit.key"
    private.write_bytes(KEY)
    for key in (private, tmp_path / "missing.pub", tmp_path, "abc", "Z" * 64):
        result = run("audit", "verify", home, "--key", key)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert KEY.decode() not in result.output
        assert len(result.stderr.splitlines()) == 1


def test_a_missing_path_is_unusable(run: Run, tmp_path: Path) -> None:
    assert run("audit", "verify", tmp_path / "missing").exit_code == 2
