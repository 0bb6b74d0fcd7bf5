"""Every bundle that came into force is kept, and found again as it was."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import orjson
import pytest
from runtime_kit import POLICY

from aisecops_langchain.audit import read_log
from aisecops_langchain.errors import AuditWriteError, PolicyError
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.policy.kept import kept_path, kept_policies, read_kept
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.policies.keeping import KeptPolicies
from aisecops_langchain.testing import FixedClock

STRICTER = parse_policy(POLICY.bundle_json().decode().replace('"gt":1000', '"gt":10'))


def digests(home: Path) -> set[str]:
    return {policy.digest for policy in kept_policies(home / "policies")}


def test_the_first_bundle_and_every_reloaded_one_are_kept_by_digest(tmp_path: Path) -> None:
    with Governor.open(POLICY, tmp_path) as governor:
        assert digests(tmp_path) == {POLICY.digest}
        governor.reload(STRICTER)
        governor.reload(POLICY)
    assert digests(tmp_path) == {POLICY.digest, STRICTER.digest}
    file = kept_path(tmp_path / "policies", STRICTER.digest)
    assert file.read_bytes() == STRICTER.bundle_json()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(list((tmp_path / "policies").iterdir())) == 2


def test_a_bundle_is_kept_before_the_log_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Governor.open(POLICY, tmp_path) as governor:
        commit, kept = governor.recorder.commit, []
        monkeypatch.setattr(governor.recorder, "commit", lambda: (kept.append(digests(tmp_path)), commit())[1])
        governor.reload(STRICTER)
    assert STRICTER.digest in kept[0]


def test_a_bundle_that_cannot_be_kept_denies_everything(tmp_path: Path) -> None:
    with Governor.open(POLICY, tmp_path) as governor:
        kept_path(tmp_path / "policies", STRICTER.digest).mkdir()
        with pytest.raises(AuditWriteError, match="cannot be kept"):
            governor.reload(STRICTER)
        assert governor.policy.digest not in (POLICY.digest, STRICTER.digest)
        loaded = [entry for entry in read_log(tmp_path / "audit") if entry.kind == "policy_loaded"]
        assert not loaded
        governor.reload(POLICY)
        assert governor.policy.digest == POLICY.digest


def test_a_kept_bundle_that_was_changed_is_an_error_to_writer_and_reader(tmp_path: Path) -> None:
    Governor.open(POLICY, tmp_path).close()
    file = kept_path(tmp_path / "policies", POLICY.digest)
    file.write_bytes(STRICTER.bundle_json())
    with pytest.raises(PolicyError, match="was changed"):
        read_kept(tmp_path / "policies", POLICY.digest)
    with pytest.raises(PolicyError, match="was changed"):
        kept_policies(tmp_path / "policies")
    with pytest.raises(AuditWriteError, match="cannot be kept"):
        Governor.open(POLICY, tmp_path)
    file.unlink()
    Governor.open(POLICY, tmp_path).close()
    assert file.read_bytes() == POLICY.bundle_json()


def test_what_is_no_kept_bundle_is_passed_over_and_what_is_not_there_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    assert kept_policies(folder) == ()
    assert read_kept(folder, POLICY.digest) is None
    folder.mkdir()
    (folder / ".half.json.17").write_bytes(b"{")
    (folder / "notes.txt").write_text("mine")
    assert kept_policies(folder) == ()


def test_an_engine_of_another_kind_is_not_kept(tmp_path: Path) -> None:
    class Other:
        """Wraps a policy as an engine of somebody else's would."""

        def __getattr__(self, name: str) -> object:
            return getattr(POLICY, name)

    Governor.open(Other(), tmp_path, clock=FixedClock()).close()
    assert not (tmp_path / "policies").exists()


def test_the_kept_text_is_what_the_digest_covers() -> None:
    assert parse_policy(POLICY.bundle_json().decode()).digest == POLICY.digest
    assert orjson.loads(POLICY.bundle_json())["id"] == POLICY.id


def test_several_governors_of_one_process_keep_the_same_bundle_at_once(tmp_path: Path) -> None:
    together = Barrier(8)

    def keep(_: int) -> None:
        together.wait()
        KeptPolicies(tmp_path / "policies").keep(POLICY)

    for _ in range(20):
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(keep, range(8))) == [None] * 8
        (kept,) = (tmp_path / "policies").iterdir()
        assert kept.read_bytes() == POLICY.bundle_json()
        kept.unlink()
