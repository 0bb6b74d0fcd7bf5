"""``aisecops replay report``: one run as one file that says what the log is worth."""

from __future__ import annotations

from pathlib import Path

from cli_logs import Run, segment_of


def test_a_run_becomes_one_file_that_fetches_and_runs_nothing(run: Run, home: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.html"
    assert run("replay", "report", "trace-1", home, "--out", out).exit_code == 0
    text = out.read_text()
    assert "trace-1" in text
    assert "default-src 'none'" in text
    assert "<script" not in text
    assert 'src="/' not in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_a_log_that_does_not_verify_is_written_with_that_said_and_is_an_error(
    run: Run, home: Path, tmp_path: Path
) -> None:
    segment, out = segment_of(home / "audit"), tmp_path / "run.html"
    segment.write_bytes(segment.read_bytes().replace(b"acme", b"evil", 1))
    result = run("replay", "report", "trace-1", home, "--out", out)
    assert result.exit_code == 1
    assert "does not verify" in result.stderr
    assert "This log does not verify" in out.read_text()


def test_a_trace_that_is_not_there_writes_nothing(run: Run, home: Path, tmp_path: Path) -> None:
    result = run("replay", "report", "none", home, "--out", tmp_path / "run.html")
    assert result.exit_code == 1
    assert not (tmp_path / "run.html").exists()


def test_a_file_that_cannot_be_written_is_a_clear_error(run: Run, home: Path, tmp_path: Path) -> None:
    result = run("replay", "report", "trace-1", home, "--out", tmp_path / "nowhere" / "run.html")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
