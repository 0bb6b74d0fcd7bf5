"""What vouches for one line: its neighbours and a signed head, read from the files as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from trace_factory import governed_story

from aisecops_langchain.audit import AuditLog
from aisecops_langchain.audit.lines import iter_lines
from aisecops_langchain.errors import AuditFormatError
from aisecops_langchain.forensics.evidence.line_proof import LineProof, Signature, prove_line


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with AuditLog.open(tmp_path / "audit", key=b"k" * 32) as opened:
        for event in governed_story().events:
            opened.append(event)
    return tmp_path / "audit"


def segment_of(log: Path) -> Path:
    (segment,) = log.glob("*.jsonl")
    return segment


def offsets(log: Path) -> list[int]:
    return [line.offset for line in iter_lines(segment_of(log))]


def proof(log: Path, offset: int, **options: object) -> LineProof:
    return prove_line(log, segment=segment_of(log).stem, offset=offset, **options)  # type: ignore[arg-type]


def test_every_line_of_a_whole_log_is_vouched_for(log: Path) -> None:
    found = [proof(log, offset) for offset in offsets(log)]
    assert all(item.holds for item in found)
    assert [item.seq for item in found] == list(range(len(found)))
    assert [item.followed for item in found] == [*[True] * (len(found) - 1), None]
    assert [item.sha256 for item in found[:-1]] == [item.prev for item in found[1:]]


def test_a_line_that_was_changed_is_not_vouched_for_nor_the_one_behind_it(log: Path) -> None:
    places = offsets(log)
    segment = segment_of(log)
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b"acme", b"evil")
    segment.write_bytes(b"".join(lines))
    assert (proof(log, places[5]).holds, proof(log, places[5]).followed) == (False, False)
    assert (proof(log, places[6]).holds, proof(log, places[6]).follows) == (False, False)
    before = proof(log, places[4])
    assert before.head is not None
    assert (before.head.seq > 5, before.head.reached, before.holds) == (True, False, False), "no way leads to the head"
    assert proof(log, places[7]).holds, "the chain from there to the head is whole"


def test_a_chain_made_anew_without_the_key_does_not_reach_the_head(log: Path, tmp_path: Path) -> None:
    segment = segment_of(log)
    with AuditLog.open(tmp_path / "forged", key=b"x" * 32) as opened:
        for event in governed_story().events[:10]:
            opened.append(event)
    segment.write_bytes(segment_of(tmp_path / "forged").read_bytes())
    found = proof(log, offsets(log)[3])
    assert found.head is None or not found.head.reached
    assert not found.holds


def test_a_head_whose_signature_does_not_hold_vouches_for_nothing(log: Path) -> None:
    heads = segment_of(log).with_suffix(".heads")
    *_, last = heads.read_bytes().splitlines()
    sig = last.rpartition(b'"sig":"')[2][:128]
    heads.write_bytes(heads.read_bytes().replace(sig, sig[::-1]))
    found = proof(log, offsets(log)[-1])
    assert found.head is not None
    assert (found.head.signature, found.holds) == (Signature.INVALID, False)


def test_a_key_that_is_not_trusted_vouches_for_nothing(log: Path) -> None:
    found = proof(log, offsets(log)[0], public_keys={})
    assert found.head is not None
    assert (found.head.signature, found.holds) == (Signature.UNKNOWN_KEY, False)


def test_a_line_behind_the_last_head_is_chained_and_not_vouched_for_yet(log: Path) -> None:
    segment_of(log).with_suffix(".heads").write_bytes(b"")
    found = proof(log, offsets(log)[4])
    assert (found.head, found.follows, found.followed, found.holds) == (None, True, True, False)


@pytest.mark.parametrize("offset", [1, 10**9])
def test_where_no_line_begins_there_is_no_proof(log: Path, offset: int) -> None:
    with pytest.raises(AuditFormatError):
        proof(log, offset)
