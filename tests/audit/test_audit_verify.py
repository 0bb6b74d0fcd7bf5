"""Attacks on a log at rest: each must be noticed, and an honest log must pass."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

import orjson
import pytest
from audit_log_helpers import (
    KEY,
    OTHER_KEY,
    StepClock,
    abandon,
    decision_made,
    only_segment,
    run_started,
    sidecar,
    write_closed_log,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from aisecops_langchain.audit import AuditLog, Code, Durability, verify_log
from aisecops_langchain.audit.heads import HeadSigner
from aisecops_langchain.audit.lines import hash_line, join_line, split_line
from aisecops_langchain.audit.records import SegmentClosed, record_body


@cache
def closed_log() -> dict[str, bytes]:
    """Every file of one closed log."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        with AuditLog.open(root, key=KEY, durability=Durability.NONE, clock=StepClock(step=300_000_000)) as log:
            log.append(decision_made())
            for number in range(6):
                log.append(run_started(number))
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def verdict(files: dict[str, bytes]):
    with tempfile.TemporaryDirectory() as place:
        for name, data in files.items():
            path = Path(place) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        return verify_log(Path(place))


def name_of(suffix: str) -> str:
    return next(name for name in closed_log() if name.endswith(suffix))


def codes(report) -> set[Code]:
    return {problem.code for problem in report.problems}


def test_the_untouched_log_is_sound():
    report = verdict(closed_log())
    assert report.ok
    assert report.events == 7
    assert not report.warnings
    assert not report.keys_pinned


def assert_noticed(report, *, last_head_only=False):
    """A change is a problem; but for the loss of the head over the closing record, which a kill leaves behind too."""
    if report.ok:
        assert last_head_only
        assert Code.CLOSE_UNSIGNED in {warning.code for warning in report.warnings}
        assert not report.segments[0].closed


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_any_changed_byte_is_noticed(data):
    """In the segment, its heads, or the public key."""
    files = closed_log()
    name = data.draw(st.sampled_from([name_of(".jsonl"), name_of(".heads"), name_of(".pub")]))
    position = data.draw(st.integers(0, len(files[name]) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(files[name])
    changed[position] ^= flip
    last_head_only = name.endswith(".heads") and position == len(changed) - 1  # a line without its end is none
    assert_noticed(verdict({**files, name: bytes(changed)}), last_head_only=last_head_only)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("suffix", [".jsonl", ".heads"])
@pytest.mark.parametrize("attack", ["remove", "double", "swap", "insert"])
def test_lines_cannot_be_moved(suffix, attack, data):
    """Removed, doubled, swapped or inserted lines are noticed, in the segment and in its heads."""
    name = name_of(suffix)
    lines = closed_log()[name].splitlines(keepends=True)
    index = data.draw(st.integers(0, len(lines) - 1))
    other = data.draw(st.integers(0, len(lines) - 1).filter(lambda number: number != index))
    changed = list(lines)
    if attack == "remove":
        del changed[index]
    elif attack == "double":
        changed.insert(index, lines[index])
    elif attack == "swap":
        changed[index], changed[other] = lines[other], lines[index]
    else:
        changed.insert(index, b"{}\n")
    last_head_only = suffix == ".heads" and changed == lines[:-1]
    assert_noticed(verdict({**closed_log(), name: b"".join(changed)}), last_head_only=last_head_only)


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_any_cut_of_a_closed_log_is_noticed(data):
    """Of the segment, or of its heads."""
    name = data.draw(st.sampled_from([name_of(".jsonl"), name_of(".heads")]))
    whole = closed_log()[name]
    length = data.draw(st.integers(0, len(whole) - 1))
    last_head_only = name.endswith(".heads") and whole[:length].count(b"\n") == whole.count(b"\n") - 1
    assert_noticed(verdict({**closed_log(), name: whole[:length]}), last_head_only=last_head_only)


def rechained(lines: list[bytes]) -> bytes:
    """What an attacker without the key can do at best: number and chain all lines anew."""
    out: list[bytes] = []
    for seq, line in enumerate(lines):
        body = split_line(line).body
        out.append(join_line(seq, hash_line(out[-1]) if out else "0" * 64, body))
    return b"".join(line + b"\n" for line in out)


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def test_g01_every_field_is_under_the_hash():
    """Each single field of a decision, edited, with the chain recomputed or not, is noticed."""
    name = name_of(".jsonl")
    lines = closed_log()[name].splitlines()
    fields = list(leaves(orjson.loads(split_line(lines[1]).body)))
    assert {path[0] for path, _ in fields} >= {"v", "id", "time", "principal", "policy", "decision", "call", "parents"}
    for path, value in fields:
        event = orjson.loads(split_line(lines[1]).body)
        parent = event
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = not value if isinstance(value, bool) else f"{value}x" if isinstance(value, str) else 9
        seq, prev, _ = split_line(lines[1])
        edited = [lines[0], join_line(seq, prev, orjson.dumps(event)), *lines[2:]]
        plain = b"".join(line + b"\n" for line in edited)
        assert not verdict({**closed_log(), name: plain}).ok, path
        assert not verdict({**closed_log(), name: rechained(edited)}).ok, path


def test_g01_a_dropped_and_rechained_line_is_noticed():
    """A perfect chain is not enough: the signed heads say otherwise."""
    name = name_of(".jsonl")
    lines = closed_log()[name].splitlines()
    report = verdict({**closed_log(), name: rechained(lines[:2] + lines[3:])})
    assert codes(report) & {Code.HEAD_MISMATCH, Code.TAIL_CUT}


class TestG02RotationAndCuts:
    """The chain goes on across segments, and cuts are seen."""

    @pytest.fixture
    def segments(self, tmp_path) -> list[Path]:
        return [write_closed_log(tmp_path / "log", events) for events in (3, 4, 5)]

    def test_whole(self, tmp_path, segments):
        report = verify_log(tmp_path / "log")
        assert report.ok
        assert report.events == 12
        assert sorted(segment.events for segment in report.segments) == [3, 4, 5]

    @pytest.mark.parametrize("heads_too", [True, False])
    @pytest.mark.parametrize("index", [0, 1])
    def test_a_removed_segment(self, tmp_path, segments, index, heads_too):
        segments[index].unlink()
        if heads_too:
            sidecar(segments[index]).unlink()
        assert Code.SEGMENT_MISSING in codes(verify_log(tmp_path / "log"))

    def test_the_newest_segment_without_its_heads_needs_an_anchor(self, tmp_path):
        log = AuditLog.open(tmp_path, key=KEY)
        log.append(run_started(1))
        anchor = log.sign_head()
        log.close()
        write_closed_log(tmp_path)
        assert verify_log(tmp_path, expect=anchor).ok
        (tmp_path / f"{anchor.segment}.jsonl").unlink()
        assert Code.ANCHOR_MISMATCH in codes(verify_log(tmp_path, expect=anchor))

    def test_a_removed_last_segment_leaves_its_heads(self, tmp_path, segments):
        segments[2].unlink()
        assert Code.SEGMENT_MISSING in codes(verify_log(tmp_path / "log"))

    def test_segment_and_heads_cut_alike(self, tmp_path, segments):
        """Cut to the first head, both files look like a crash; what the next segment recorded gives it away."""
        first = segments[0]
        head = sidecar(first).read_bytes().splitlines(keepends=True)[0]
        sidecar(first).write_bytes(head)
        first.write_bytes(first.read_bytes().splitlines(keepends=True)[0])
        assert codes(verify_log(tmp_path / "log")) == {Code.REFERENCE_MISMATCH}

    def test_a_renamed_segment(self, tmp_path, segments):
        name = segments[0].name.replace("segment-20", "segment-19")
        sidecar(segments[0]).rename((tmp_path / "log" / name).with_suffix(".heads"))
        segments[0].rename(tmp_path / "log" / name)
        assert {Code.RENAMED, Code.SEGMENT_MISSING} <= codes(verify_log(tmp_path / "log"))


def test_an_anchor_in_the_log_passes_and_another_does_not(tmp_path):
    with AuditLog.open(tmp_path, key=KEY) as log:
        log.append(run_started(1))
        anchor = log.sign_head()
        log.append(run_started(2))
    assert verify_log(tmp_path, expect=anchor).ok
    assert verify_log(only_segment(tmp_path), expect=anchor).ok
    for wrong in (anchor.model_copy(update={"head": "0" * 64}), anchor.model_copy(update={"seq": 99})):
        assert codes(verify_log(tmp_path, expect=wrong)) == {Code.ANCHOR_MISMATCH}


def test_a_log_rewritten_with_another_key_fails_when_keys_are_pinned(tmp_path):
    """With the keys beside the log anybody can forge a whole log; the report says that they were not pinned."""
    write_closed_log(tmp_path, key=OTHER_KEY)
    ours = HeadSigner(KEY)
    loose, strict = verify_log(tmp_path), verify_log(tmp_path, public_keys={ours.key_id: ours.public})
    assert loose.ok
    assert not loose.keys_pinned
    assert strict.keys_pinned
    assert Code.UNKNOWN_KEY in codes(strict)


def test_the_report_names_every_key_that_signed(tmp_path):
    """Logs of two homes that were put together verify, but not as if they were of one hand."""
    for key in (KEY, OTHER_KEY):
        write_closed_log(tmp_path, key=key)
    ids = sorted(HeadSigner(key).key_id for key in (KEY, OTHER_KEY))
    report = verify_log(tmp_path)
    assert report.ok
    assert [*report.signers] == ids
    assert sorted(segment.signers[0] for segment in report.segments) == ids


def test_pinned_keys_pass_and_malformed_ones_do_not(tmp_path):
    write_closed_log(tmp_path)
    ours = HeadSigner(KEY)
    assert verify_log(tmp_path, public_keys={ours.key_id: ours.public}).ok
    assert Code.BAD_KEY in codes(verify_log(tmp_path, public_keys={ours.key_id: b"short"}))
    assert Code.BAD_KEY in codes(verify_log(tmp_path, public_keys={"0" * 16: ours.public}))
    assert Code.UNKNOWN_KEY in codes(verify_log(tmp_path, public_keys={}))


def test_a_head_of_another_trusted_key_does_not_count(tmp_path):
    """Holding the key of one segment does not let anyone sign for another."""
    write_closed_log(tmp_path, key=OTHER_KEY)
    segment = write_closed_log(tmp_path)
    lines = segment.read_bytes().splitlines()
    head = HeadSigner(OTHER_KEY).head_line(
        segment=segment.stem,
        seq=len(lines) - 1,
        head=hash_line(lines[-1]),
        size=segment.stat().st_size,
        time=run_started(1).time,
        previous=hash_line(sidecar(segment).read_bytes().splitlines()[-1]),
    )
    with sidecar(segment).open("ab") as file:
        file.write(head + b"\n")
    assert codes(verify_log(tmp_path)) == {Code.UNKNOWN_KEY}


def test_a_missing_sidecar_is_a_problem(tmp_path):
    sidecar(write_closed_log(tmp_path)).unlink()
    assert {Code.HEADS_MISSING, Code.CLOSE_UNSIGNED} <= codes(verify_log(tmp_path))


def test_an_emptied_sidecar_is_a_problem_even_when_the_segment_is_open(tmp_path):
    """Otherwise any log could be rewritten and passed off as a crash."""
    log = AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE)
    log.append(run_started(1))
    abandon(log)
    sidecar(only_segment(tmp_path)).write_bytes(b"")
    assert codes(verify_log(tmp_path)) == {Code.HEADS_MISSING}


def test_lines_behind_the_closing_record(tmp_path):
    """Even a rightly chained line has no place there."""
    segment = write_closed_log(tmp_path)
    lines = segment.read_bytes().splitlines()
    forged = join_line(len(lines), hash_line(lines[-1]), split_line(lines[2]).body)
    with segment.open("ab") as file:
        file.write(forged + b"\n")
    assert codes(verify_log(tmp_path)) == {Code.AFTER_CLOSE}


def test_an_unsigned_tail_is_a_warning_with_its_length(tmp_path):
    log = AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE, clock=StepClock())
    for number in range(4):
        log.append(run_started(number))
    report = verify_log(tmp_path)
    assert report.ok
    assert [(warning.code, warning.message) for warning in report.warnings] == [
        (Code.UNSIGNED_TAIL, "4 lines behind the last head")
    ]
    log.close()


class KilledError(BaseException):
    """Stands for the kill: nothing of the writer runs any more."""


def test_a_writer_killed_between_its_closing_record_and_the_head_over_it(tmp_path, monkeypatch):
    """All that it wrote before is signed; what it wrote of its end, which anybody can write, closes nothing."""
    log = AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE, clock=StepClock())
    log.append(run_started(1))
    log.append(run_started(2))
    extend = log._lines.extend

    def killed_after(bodies):
        extend(bodies)
        raise KilledError

    monkeypatch.setattr(log._lines, "extend", killed_after)
    with pytest.raises(KilledError):
        log.close()
    report = verify_log(tmp_path)
    assert report.ok
    assert [warning.code for warning in report.warnings] == [Code.CLOSE_UNSIGNED]
    (segment,) = report.segments
    assert (segment.closed, segment.seq, segment.signed_seq) == (False, 3, 2)
    write_closed_log(tmp_path)
    assert verify_log(tmp_path).ok


def test_an_ending_forged_behind_lines_that_no_head_covers_is_a_problem(tmp_path):
    """No writer closes before it has signed what is there, so whoever wrote this did not have the key."""
    log = AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE, clock=StepClock())
    for number in range(4):
        log.append(run_started(number))
    abandon(log)
    segment = only_segment(tmp_path)
    lines = segment.read_bytes().splitlines()
    ending = record_body(SegmentClosed(segment=segment.stem, time=run_started(1).time))
    forged = [*lines[:-1], join_line(len(lines) - 1, hash_line(lines[-2]), ending)]
    segment.write_bytes(b"".join(line + b"\n" for line in forged))
    assert codes(verify_log(tmp_path)) == {Code.CLOSE_UNSIGNED}


def test_a_segment_that_ended_cannot_grow(tmp_path):
    """Once a later segment recorded the end of a crashed one, forged lines behind it are a problem, not a tail."""
    log = AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE, clock=StepClock())
    log.append(run_started(1))
    abandon(log)
    crashed = only_segment(tmp_path)
    write_closed_log(tmp_path)
    assert verify_log(tmp_path).ok
    lines = crashed.read_bytes().splitlines()
    forged = join_line(len(lines), hash_line(lines[-1]), run_started(7).model_dump_json().encode())
    crashed.write_bytes(crashed.read_bytes() + forged + b"\n")
    assert codes(verify_log(tmp_path)) == {Code.GROWN}
    crashed.write_bytes(lines[0] + b"\n" + join_line(1, hash_line(lines[0]), split_line(forged).body) + b"\n")
    assert codes(verify_log(tmp_path)) == {Code.REFERENCE_MISMATCH}


@pytest.mark.parametrize(
    "body",
    [
        b'{"v":1,"kind":"from_the_future","id":"x"}',
        b'{"v":1,"kind":"run_started","id":"x"}',
        b'{"kind":"segment_from_the_future"}',
        b'{"v":1',
        b'{"v":1,"kind":"\xff"}',
        b'{"' + b"[" * 5000,
    ],
)
def test_a_line_that_is_no_event_is_a_problem(tmp_path, body):
    log = AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE)
    log._lines.extend([body])
    log.close()
    assert codes(verify_log(tmp_path)) == {Code.MALFORMED}


def test_a_second_opening_record_is_a_problem(tmp_path):
    log = AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE)
    log._lines.extend([split_line(only_segment(tmp_path).read_bytes().splitlines()[0]).body])
    log.close()
    assert codes(verify_log(tmp_path)) == {Code.MALFORMED}


class TestNothing:
    """Nothing to verify is never fine."""

    def test_missing(self, tmp_path):
        assert codes(verify_log(tmp_path / "nowhere")) == {Code.NO_LOG}

    def test_empty(self, tmp_path):
        assert codes(verify_log(tmp_path)) == {Code.NO_LOG}

    def test_strangers_only(self, tmp_path):
        (tmp_path / "segment-1.jsonl").write_text("{}")
        (tmp_path / "notes.txt").write_text("hello")
        assert codes(verify_log(tmp_path)) == {Code.NO_LOG}

    def test_a_link_is_not_a_segment(self, tmp_path):
        segment = write_closed_log(tmp_path / "real")
        shutil.copytree(tmp_path / "real" / "keys", tmp_path / "fake" / "keys")
        (tmp_path / "fake" / segment.name).symlink_to(segment)
        report = verify_log(tmp_path / "fake")
        assert codes(report) == {Code.NO_LOG}

    def test_a_linked_sidecar_is_missing(self, tmp_path):
        segment = write_closed_log(tmp_path / "log")
        sidecar(segment).rename(tmp_path / "elsewhere")
        sidecar(segment).symlink_to(tmp_path / "elsewhere")
        assert Code.HEADS_MISSING in codes(verify_log(tmp_path / "log"))


def test_a_file_of_garbage_does_not_fill_the_report(tmp_path):
    segment = write_closed_log(tmp_path)
    segment.write_bytes(b"garbage\n" * 5000 + b"\x00" * 3_000_000)
    (report,) = verify_log(tmp_path).segments
    assert not report.ok
    assert len(report.problems) <= 101
    assert report.problems[-1].code is Code.TOO_MANY


@pytest.mark.parametrize("name", ["x" * 5000, "../../etc/passwd", "a\x00b", "\x1b[31m", ""])
def test_a_record_that_names_no_segment_is_no_record(tmp_path, name):
    """Names in records become paths: what is not the name of a segment never gets that far."""
    write_closed_log(tmp_path)
    segment = only_segment(tmp_path)
    first, *rest = segment.read_bytes().splitlines()
    header = orjson.loads(split_line(first).body)
    header["previous"] = [{"segment": name, "seq": 0, "head": "0" * 64, "ended": True}]
    forged = join_line(0, "0" * 64, orjson.dumps(header))
    segment.write_bytes(b"".join(line + b"\n" for line in (forged, *rest)))
    assert {Code.MALFORMED, Code.NO_HEADER} <= codes(verify_log(tmp_path))


def test_a_public_key_file_with_more_than_a_key_is_a_problem(tmp_path):
    write_closed_log(tmp_path)
    (key,) = (tmp_path / "keys").glob("*.pub")
    key.write_bytes(key.read_bytes() + b"\n")
    assert Code.BAD_KEY in codes(verify_log(tmp_path))
