"""A log as Parquet: written once, whole, only if it verifies, and refused where it is not what was written."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import duckdb
import pytest
from drift_kit import bundle, event, request
from trace_factory import governed_story

from aisecops_langchain.audit import AuditLog, verify_log
from aisecops_langchain.errors import QueryError
from aisecops_langchain.forensics.parquet import MANIFEST, parse_manifest
from aisecops_langchain.forensics.sql.parquet import export_parquet

TENANTS = ("default", "acme", "7", "..", "a/b=c %", "tä", "__HIVE_DEFAULT_PARTITION__")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two segments; the second repeats what the first one says."""
    made = [event(request(amount=5), bundle(), trace=f"run-{number}") for number in range(len(TENANTS))]
    events = [
        item.model_copy(update={"principal": item.principal.model_copy(update={"tenant": tenant})})
        for item, tenant in zip(made, TENANTS, strict=True)
    ]
    for part in ([*events, *governed_story().events], events[:2]):
        with AuditLog.open(tmp_path / "log", key=b"k" * 32) as writer:
            for item in part:
                writer.append(item)
    return tmp_path / "log"


def test_every_line_is_there_byte_for_byte(log: Path, tmp_path: Path) -> None:
    manifest = export_parquet(log, tmp_path / "out", verify_log(log))
    files = str(tmp_path / "out" / "events" / "*" / "*" / "*.parquet")
    rows = duckdb.sql(f"SELECT segment, seq, line FROM read_parquet('{files}') ORDER BY segment, seq").fetchall()
    expected = [
        (path.stem, number, line)
        for path in sorted(log.glob("*.jsonl"))
        for number, line in enumerate(path.read_text().splitlines())
        if '"kind":"segment_' not in line
    ]
    assert rows == expected
    assert manifest.lines == len(rows) == verify_log(log).events
    heads = {segment.name: segment.head for segment in manifest.verified.segments}
    assert {path.stem: sha256(path.read_bytes().splitlines()[-1]).hexdigest() for path in log.glob("*.jsonl")} == heads
    assert {name: line.encode() for name, line in manifest.opened.items()} == {
        path.stem: path.read_bytes().splitlines()[0] for path in log.glob("*.jsonl")
    }


def test_files_lie_by_tenant_and_date_and_nowhere_else(log: Path, tmp_path: Path) -> None:
    export_parquet(log, tmp_path / "out", verify_log(log))
    folders = {path.parent.relative_to(tmp_path / "out" / "events") for path in (tmp_path / "out").rglob("*.parquet")}
    assert {len(folder.parts) for folder in folders} == {2}
    assert {folder.parts[1] for folder in folders if folder.parts[0] == "tenant=7"} == {"date=2026-03-01"}
    assert {path.name for path in tmp_path.iterdir()} == {"log", "out"}


def test_a_log_that_does_not_verify_is_not_written(log: Path, tmp_path: Path) -> None:
    segment = min(log.glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes().replace(b"clerk", b"clerq", 1))
    with pytest.raises(QueryError, match="not written as Parquet"):
        export_parquet(log, tmp_path / "out", verify_log(log))
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over(log: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(QueryError, match="cannot be written"):
        export_parquet(log, tmp_path / "out", verify_log(log))


def test_a_log_that_grew_after_it_was_verified_gets_no_manifest(log: Path, tmp_path: Path) -> None:
    verified = verify_log(log)
    with AuditLog.open(log, key=b"k" * 32) as writer:
        writer.append(event(request(amount=6), bundle(), trace="late"))
    with pytest.raises(QueryError, match="changed while"):
        export_parquet(log, tmp_path / "out", verified)
    assert not (tmp_path / "out" / MANIFEST).exists()


def test_a_manifest_of_another_kind_or_of_a_log_that_does_not_verify_is_refused(log: Path, tmp_path: Path) -> None:
    manifest = export_parquet(log, tmp_path / "out", verify_log(log))
    assert parse_manifest((tmp_path / "out" / MANIFEST).read_bytes()) == manifest
    with pytest.raises(QueryError, match="cannot be read"):
        parse_manifest(b"{}")
    broken = manifest.model_copy(update={"verified": manifest.verified.model_copy(update={"ok": False})})
    with pytest.raises(QueryError, match="does not verify"):
        parse_manifest(broken.model_dump_json().encode())
