"""Crashes, full disks and several processes: real files, real kills, real limits."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from audit_log_helpers import (
    KEY,
    StepClock,
    abandon,
    only_segment,
    run_started,
    sidecar,
    start_python,
)

from aisecops_langchain.audit import AuditLog, Code, Durability, read_log, read_segment, verify_log
from aisecops_langchain.audit.chain import ChainedFile
from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.errors import AuditWriteError


def crashed_with_torn_tail(directory, *, torn: bytes = b'{"seq":3,"pre') -> None:
    log = AuditLog.open(directory, key=KEY, durability=Durability.NONE, clock=StepClock())
    log.append(run_started(1))
    log.append(run_started(2))
    abandon(log)
    segment = segment_paths(directory)[-1]
    segment.write_bytes(segment.read_bytes() + torn)


def test_a_torn_tail_goes_to_quarantine_and_the_next_log_says_so(tmp_path):
    crashed_with_torn_tail(tmp_path)
    crashed = only_segment(tmp_path)
    whole = crashed.read_bytes().rpartition(b"\n")[0] + b"\n"
    assert Code.TORN_TAIL in {warning.code for warning in verify_log(tmp_path).warnings}
    with AuditLog.open(tmp_path, key=KEY) as log:
        log.append(run_started(3))
    header = next(read_segment(tmp_path / f"{log.segment}.jsonl")).parse()
    (tail,) = header.recovered
    assert (tail.segment, tail.offset, tail.bytes) == (crashed.stem, len(whole), 13)
    assert crashed.read_bytes() == whole
    assert (tmp_path / "quarantine" / f"{crashed.stem}.{len(whole)}.torn").read_bytes() == b'{"seq":3,"pre'
    report = verify_log(tmp_path)
    assert report.ok
    assert report.events == 3


def test_recovery_that_was_interrupted_is_repeated(tmp_path):
    """Killed after the copy, before the cut: the same tail goes to the same place again."""
    crashed_with_torn_tail(tmp_path)
    crashed = only_segment(tmp_path)
    offset = crashed.read_bytes().rindex(b"\n") + 1
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / f"{crashed.stem}.{offset}.torn").write_bytes(b'{"se')
    AuditLog.open(tmp_path, key=KEY).close()
    (quarantined,) = (tmp_path / "quarantine").iterdir()
    assert quarantined.read_bytes() == b'{"seq":3,"pre'
    assert verify_log(tmp_path).ok


@pytest.mark.parametrize("left", [b"", b'{"seq":0,'])
def test_a_writer_that_died_before_its_first_line(tmp_path, left):
    name = "segment-20300101T000000000000-00000000"
    (tmp_path / f"{name}.heads").write_bytes(b"")
    (tmp_path / f"{name}.jsonl").write_bytes(left)
    AuditLog.open(tmp_path, key=KEY).close()
    report = verify_log(tmp_path)
    assert report.ok
    assert Code.EMPTY_SEGMENT in {warning.code for warning in report.warnings}


def test_a_living_writer_is_left_alone(tmp_path):
    """Its incomplete line may be a write in progress."""
    living = AuditLog.open(tmp_path, key=KEY)
    segment = only_segment(tmp_path)
    with segment.open("ab") as file:
        file.write(b"half")
    with AuditLog.open(tmp_path, key=KEY) as other:
        pass
    assert segment.read_bytes().endswith(b"half")
    assert next(read_segment(tmp_path / f"{other.segment}.jsonl")).parse().recovered == ()
    abandon(living)


def test_each_end_is_recorded_once(tmp_path):
    """A chain of segments, not a list that grows with every opening."""
    previous = []
    for _ in range(4):
        with AuditLog.open(tmp_path, key=KEY, clock=StepClock()) as log:
            header = next(read_segment(tmp_path / f"{log.segment}.jsonl")).parse()
        previous.append(([end.segment for end in header.previous], log.segment))
    assert [ends for ends, _ in previous] == [[], *([name] for _, name in previous[:-1])]


def test_a_living_segment_is_recorded_again_when_it_has_ended(tmp_path):
    """So that what it wrote after its first mention is anchored too."""
    living = AuditLog.open(tmp_path, key=KEY)
    AuditLog.open(tmp_path, key=KEY).close()
    living.append(run_started(1))
    living.close()
    with AuditLog.open(tmp_path, key=KEY) as last:
        header = next(read_segment(tmp_path / f"{last.segment}.jsonl")).parse()
    assert {(end.segment == living.segment, end.ended) for end in header.previous} == {(True, True), (False, True)}
    assert verify_log(tmp_path).ok


def test_a_cut_that_the_heads_prove_stays_proven_after_recovery(tmp_path):
    """The next writer records what was signed, not what an attacker left."""
    log = AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE)
    log.append(run_started(1))
    log.append(run_started(2))
    log.sign_head()
    abandon(log)
    segment = only_segment(tmp_path)
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:2]))
    AuditLog.open(tmp_path, key=KEY).close()
    sidecar(segment).write_bytes(sidecar(segment).read_bytes().splitlines(keepends=True)[0])
    assert Code.REFERENCE_MISMATCH in {problem.code for problem in verify_log(tmp_path).problems}


_KILLED_WRITER = """
import sys
from pathlib import Path
from audit_log_helpers import KEY, run_started
from aisecops_langchain.audit import AuditLog
log = AuditLog.open(Path(sys.argv[1]), key=KEY, durability=sys.argv[2])
number = 0
while True:
    receipt = log.append(run_started(number, prefix=sys.argv[3], padding=900))
    log.commit(receipt)
    number += 1
    if number % 50 == 0:
        print(number, flush=True)
"""


def test_kill_9_loses_nothing_that_was_confirmed(tmp_path):
    """Killed again and again in the middle of writing: every reopening is sound, every confirmed event is there."""
    confirmed: dict[str, int] = {}
    for turn in range(4):
        mode = "none" if turn % 2 else "group"
        writer = start_python(_KILLED_WRITER, str(tmp_path), mode, f"turn{turn}", stdout=subprocess.PIPE)
        for _ in range(3 + turn):
            confirmed[f"turn{turn}"] = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert verify_log(tmp_path).ok
    with AuditLog.open(tmp_path, key=KEY) as log:
        log.append(run_started(1, prefix="after"))
    report = verify_log(tmp_path)
    assert report.ok
    assert Code.TORN_TAIL not in {warning.code for warning in report.warnings}
    seen = {entry.id for entry in read_log(tmp_path) if entry.is_event}
    assert seen >= {f"{prefix}-{number}" for prefix, count in confirmed.items() for number in range(count)}
    assert "after-1" in seen


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from audit_log_helpers import KEY, run_started
from aisecops_langchain.audit import AuditLog
from aisecops_langchain.errors import AuditWriteError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = AuditLog.open(Path(sys.argv[1]), key=KEY, durability="none")
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
written = 0
errors = []
for number in range(40):
    try:
        log.append(run_started(number, padding=900))
        written += 1
    except AuditWriteError as error:
        errors.append(str(error))
assert written and len(errors) == 40 - written, (written, errors)
assert any("of" in error and "bytes" in error for error in errors), errors
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
log.append(run_started(100))
log.close()
print(written + 1)
"""


def test_a_full_disk_refuses_whole_events_and_the_log_survives(tmp_path):
    """The file-size limit gives a short write first; what did not fit is cut off, and with space the log goes on."""
    writer = start_python(_FULL_DISK, str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = writer.communicate(timeout=60)
    assert writer.returncode == 0, err.decode()
    report = verify_log(tmp_path)
    assert report.ok
    assert not report.warnings
    assert report.events == int(out)


_FULL_SIDECAR = """
import resource, signal, sys
from pathlib import Path
from audit_log_helpers import KEY, StepClock, run_started
from aisecops_langchain.audit import AuditLog
from aisecops_langchain.errors import AuditWriteError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
log = AuditLog.open(Path(sys.argv[1]), key=KEY, durability="none", clock=StepClock())
for number in range(20):
    log.sign_head()
    log.append(run_started(number))
size = Path(sys.argv[1], log.segment + ".heads").stat().st_size
assert Path(sys.argv[1], log.segment + ".jsonl").stat().st_size < size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
log._clock.step = 2_000_000_000
refused = 0
for number in range(5):
    try:
        log.append(run_started(100))
    except AuditWriteError:
        refused += 1
assert refused == 5, refused
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
assert log.append(run_started(100)).duplicate
log.close()
"""


def test_without_room_for_a_head_nothing_more_is_accepted(tmp_path):
    """An event whose head cannot be signed is refused each time, even though its line is there already."""
    writer = start_python(_FULL_SIDECAR, str(tmp_path), stderr=subprocess.PIPE)
    _, err = writer.communicate(timeout=60)
    assert writer.returncode == 0, err.decode()
    report = verify_log(tmp_path)
    assert report.ok
    assert report.events == 21


def test_a_file_that_cannot_be_cut_back_accepts_nothing_more():
    """The full device refuses the write and cannot be truncated either."""
    file = ChainedFile(os.open("/dev/full", os.O_WRONLY | os.O_APPEND), "full")
    with pytest.raises(AuditWriteError, match="damaged"):
        file.append(b"line")
    for use in (lambda: file.append(b"line"), file.sync):
        with pytest.raises(AuditWriteError, match="unusable since"):
            use()
    file.close()
    file.close()


def test_a_failed_sync_poisons_the_log(tmp_path):
    """A pipe cannot be synced; the kernel may have dropped the pages, so a second try would prove nothing."""
    log = AuditLog.open(tmp_path, key=KEY)
    log.append(run_started(1))
    reader, writer = os.pipe()
    good = os.dup(log._lines._descriptor)
    os.dup2(writer, log._lines._descriptor)
    with pytest.raises(AuditWriteError, match="cannot be made durable"):
        log.commit()
    os.dup2(good, log._lines._descriptor)
    for use in (lambda: log.append(run_started(2)), lambda: log.append(run_started(1)), log.commit, log.close):
        with pytest.raises(AuditWriteError, match="unusable since"):
            use()
    for descriptor in (reader, writer, good):
        os.close(descriptor)
    assert verify_log(tmp_path).ok


def test_an_interrupted_append_is_undone(tmp_path):
    """A signal handler that raises right after the write leaves an unknown line; the next append cuts it off."""
    file = ChainedFile.create(tmp_path / "file")
    file.append(b"one")
    file._unsure = True
    os.write(file._descriptor, b"two\n")
    file.append(b"three")
    file.close()
    assert (tmp_path / "file").read_bytes() == b"one\nthree\n"


def test_an_opening_that_fails_leaves_no_segment(tmp_path):
    code = """
import resource, signal, sys
from pathlib import Path
from audit_log_helpers import KEY
from aisecops_langchain.audit import AuditLog
from aisecops_langchain.errors import AuditWriteError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
try:
    AuditLog.open(Path(sys.argv[1]), key=KEY)
except AuditWriteError:
    sys.exit(0)
sys.exit(1)
"""
    assert start_python(code, str(tmp_path)).wait(timeout=60) == 0
    assert segment_paths(tmp_path) == []
    assert not list(tmp_path.glob("*.heads"))


_FOUR = """
import sys
from pathlib import Path
from audit_log_helpers import KEY, run_started
from aisecops_langchain.audit import AuditLog
with AuditLog.open(Path(sys.argv[1]), key=KEY, durability="group") as log:
    for number in range(200):
        log.append(run_started(number, prefix=sys.argv[2]))
        if number % 20 == 0:
            log.commit()
"""


def test_four_processes_write_one_directory(tmp_path):
    """Nothing lost, nothing mixed, and the whole verifies; verification meanwhile raises no false alarm."""
    writers = [start_python(_FOUR, str(tmp_path), f"p{number}") for number in range(4)]
    while any(writer.poll() is None for writer in writers):
        report = verify_log(tmp_path)
        assert {problem.code for problem in report.problems} <= {Code.NO_LOG}
    assert [writer.returncode for writer in writers] == [0] * 4
    report = verify_log(tmp_path)
    assert report.ok
    assert report.events == 800
    assert all(segment.closed for segment in report.segments)
    assert len([entry for entry in read_log(tmp_path) if entry.is_event]) == 800
