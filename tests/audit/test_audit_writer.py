"""The writer: what append, commit and close promise."""

from __future__ import annotations

import os
import threading

import orjson
import pytest
from audit_log_helpers import KEY, StepClock, decision_made, only_segment, run_started, sidecar

from aisecops_langchain.audit import AuditLog, Durability, SegmentOpened, read_log, read_segment, verify_log
from aisecops_langchain.audit.lines import GENESIS, hash_line
from aisecops_langchain.audit.sidecar import HEAD_EVERY_LINES
from aisecops_langchain.domain.events import Event, RunStarted
from aisecops_langchain.errors import AuditWriteError, ConfigurationError, KeyStoreError


@pytest.fixture(params=list(Durability))
def durability(request) -> Durability:
    return request.param


def test_events_come_back_as_they_were_written(tmp_path, durability):
    """Every durability writes the same log, and reading gives equal events."""
    events = [run_started(1), decision_made(), run_started(2)]
    with AuditLog.open(tmp_path / "log", key=KEY, durability=durability) as log:
        for event in events:
            log.append(event)
        log.commit()
    entries = list(read_segment(only_segment(tmp_path / "log")))
    assert [entry.parse() for entry in entries if entry.is_event] == events
    assert [entry.kind for entry in entries] == [
        "segment_opened", "run_started", "decision_made", "run_started", "segment_closed",
    ]  # fmt: skip
    report = verify_log(tmp_path / "log")
    assert report.ok
    assert report.events == 3
    assert not report.warnings


def test_each_line_names_the_hash_of_the_exact_line_before(tmp_path):
    with AuditLog.open(tmp_path, key=KEY) as log:
        receipts = [log.append(run_started(number)) for number in range(3)]
    lines = only_segment(tmp_path).read_bytes().splitlines()
    fields = [orjson.loads(line) for line in lines]
    assert [field["seq"] for field in fields] == list(range(5))
    assert [field["prev"] for field in fields] == [GENESIS, *map(hash_line, lines[:-1])]
    assert [receipt.hash for receipt in receipts] == [hash_line(line) for line in lines[1:4]]


def test_an_event_is_written_once(tmp_path):
    """A node that runs twice gets the first receipt, marked as a duplicate."""
    with AuditLog.open(tmp_path, key=KEY) as log:
        first = log.append(run_started(1))
        log.append(run_started(2))
        again = log.append(run_started(1))
    assert again == first._replace(duplicate=True)
    assert verify_log(tmp_path).events == 2


def test_only_recent_ids_are_remembered(tmp_path, monkeypatch):
    """The memory is bounded: an id beyond it is written again, and reading drops it."""
    monkeypatch.setattr("aisecops_langchain.audit.log.REMEMBERED_IDS", 2)
    with AuditLog.open(tmp_path, key=KEY) as log:
        for number in (1, 2, 1, 3):  # asking for 1 again makes 2 the oldest
            log.append(run_started(number))
        assert log.append(run_started(1)).duplicate
        assert not log.append(run_started(2)).duplicate
    assert [entry.id for entry in read_log(tmp_path) if entry.is_event] == ["event-1", "event-2", "event-3"]


def test_modes_sync_when_they_say(tmp_path):
    counts = {}
    for mode in Durability:
        with AuditLog.open(tmp_path / mode, key=KEY, durability=mode) as log:
            log.append(run_started(1))
            receipt = log.append(run_started(2))
            appended = log.sync_count
            log.commit(receipt)
            log.commit(receipt)
            counts[mode] = (appended, log.sync_count)
    assert counts == {Durability.NONE: (0, 0), Durability.GROUP: (0, 1), Durability.SYNC: (2, 2)}


def test_threads_share_syncs(tmp_path):
    """Eight threads, 200 commits each: every commit returns with its event synced, and syncs are shared."""
    log = AuditLog.open(tmp_path, key=KEY, durability=Durability.GROUP)
    failures = []

    def work(worker: int) -> None:
        for number in range(200):
            receipt = log.append(run_started(number, prefix=f"w{worker}"))
            log.commit(receipt)
            if log._group._reached < receipt.seq:
                failures.append(receipt)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert 1 <= log.sync_count < 1600
    log.close()
    report = verify_log(tmp_path)
    assert report.ok
    assert report.events == 1600


def test_heads_are_signed_by_count_and_by_time(tmp_path):
    """At most HEAD_EVERY_LINES lines, or one second of appends, are ever without a head."""
    log = AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE, clock=StepClock())
    for number in range(HEAD_EVERY_LINES + 5):
        log.append(run_started(number))
    heads = sidecar(only_segment(tmp_path))
    assert [orjson.loads(line)["seq"] for line in heads.read_bytes().splitlines()] == [0, HEAD_EVERY_LINES]
    log._clock.step = 2_000_000_000
    log.append(run_started(-1))
    assert orjson.loads(heads.read_bytes().splitlines()[-1])["seq"] == HEAD_EVERY_LINES + 6
    log._clock.step = -3_600_000_000_000
    log.append(run_started(-2))
    assert orjson.loads(heads.read_bytes().splitlines()[-1])["seq"] == HEAD_EVERY_LINES + 7
    log.close()


def test_a_group_commit_signs_what_it_synced(tmp_path):
    log = AuditLog.open(tmp_path, key=KEY, clock=StepClock())
    receipt = log.append(run_started(1))
    log.commit(receipt)
    last = orjson.loads(sidecar(only_segment(tmp_path)).read_bytes().splitlines()[-1])
    assert (last["seq"], last["head"]) == (receipt.seq, receipt.hash)
    log.close()


def test_a_closed_log_refuses_events(tmp_path):
    log = AuditLog.open(tmp_path, key=KEY)
    log.close()
    log.close()
    with pytest.raises(AuditWriteError, match="closed"):
        log.append(run_started(1))
    with pytest.raises(AuditWriteError, match="closed"):
        log.sign_head()
    assert verify_log(tmp_path).ok


def test_a_forked_child_may_not_use_its_parents_log(tmp_path):
    """Two processes with one tip would fork the chain: the child is refused, the parent goes on."""
    log = AuditLog.open(tmp_path, key=KEY)
    log.append(run_started(1))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        refused = []
        for use in (lambda: log.append(run_started(2)), log.commit, log.close, log.sign_head):
            try:
                use()
            except AuditWriteError as error:
                refused.append("forked" in str(error))
        os.write(writer, str(refused).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"[True, True, True, True]"
    os.close(reader)
    os.close(writer)
    log.append(run_started(3))
    log.close()
    report = verify_log(tmp_path)
    assert report.ok
    assert report.events == 2


def test_the_opening_record_says_who_writes(tmp_path):
    with AuditLog.open(tmp_path, key=KEY, clock=StepClock()) as log:
        pass
    header = next(read_segment(only_segment(tmp_path))).parse()
    assert isinstance(header, SegmentOpened)
    assert header.segment == log.segment
    assert header.writer.pid == os.getpid()
    assert (tmp_path / "keys" / f"{header.key_id}.pub").is_file()
    assert only_segment(tmp_path).stat().st_mode & 0o777 == 0o600


class TestRefusals:
    """What is refused is refused whole: the log goes on and verifies."""

    @pytest.fixture
    def log(self, tmp_path):
        log = AuditLog.open(tmp_path, key=KEY, max_event_bytes=4000)
        yield log
        assert not log.append(run_started(99)).duplicate
        log.close()
        assert verify_log(tmp_path).ok

    def refused(self, log: AuditLog, event: Event, words: str) -> None:
        with pytest.raises(AuditWriteError, match=words):
            log.append(event)

    def test_too_large(self, log):
        self.refused(log, run_started(1, padding=5000), "too large")

    def test_unknown_kind(self, log):
        base = run_started(1).model_dump(exclude={"tools"})
        self.refused(log, Event(**{**base, "kind": "segment_closed"}), "no known kind")

    def test_fields_that_are_the_logs_own(self, log):
        forged = RunStarted(**run_started(1).model_dump(), seq=0)
        self.refused(log, forged, "seq or prev")

    def test_what_json_cannot_say(self, log):
        event = run_started(1)
        self.refused(log, event.model_copy(update={"tools": ("\ud800",)}), "no JSON form")
        self.refused(log, RunStarted(**event.model_dump(), extra=object()), "no JSON form")

    def test_a_receipt_of_another_log(self, log, tmp_path):
        with AuditLog.open(tmp_path / "other", key=KEY) as other:
            receipt = other.append(run_started(1))
        with pytest.raises(AuditWriteError, match="another segment"):
            log.commit(receipt)


def test_newlines_and_odd_text_stay_inside_their_line(tmp_path):
    odd = run_started(1).model_copy(update={"tools": ("a\nb\r\n\u2028\x00", "}\n{")})
    with AuditLog.open(tmp_path, key=KEY) as log:
        log.append(odd)
    assert [entry.parse() for entry in read_log(tmp_path) if entry.is_event] == [odd]
    assert verify_log(tmp_path).ok


def test_a_file_in_place_of_the_directory_is_a_clear_error(tmp_path):
    (tmp_path / "log").write_text("not a directory")
    for place in (tmp_path / "log", tmp_path / "log" / "below"):
        with pytest.raises(AuditWriteError, match=r"cannot be opened for writing.*do: "):
            AuditLog.open(place, key=KEY)


def test_a_changed_public_key_stops_the_writer(tmp_path):
    AuditLog.open(tmp_path, key=KEY).close()
    (public,) = (tmp_path / "keys").iterdir()
    public.write_text("00" * 32 + "\n")
    with pytest.raises(AuditWriteError, match="not the key of that name"):
        AuditLog.open(tmp_path, key=KEY)


def test_a_short_key_is_refused(tmp_path):
    with pytest.raises(KeyStoreError, match="32 bytes"):
        AuditLog.open(tmp_path, key=b"short")


def test_an_unknown_durability_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(ConfigurationError, match="none, group, sync"):
        AuditLog.open(tmp_path / "log", key=KEY, durability="eventually")
    assert not (tmp_path / "log").exists()
