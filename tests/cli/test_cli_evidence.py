"""Evidence: one run is packed, and every change to a package is found by both verifiers."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import orjson
import pytest
from cli_logs import KEY, Run, segment_of
from evidence_kit import KEY_ID, PUBLIC, SCRIPT, mixed_home, ours, script, verdicts

from aisecops_langchain.audit.heads import HeadSigner
from aisecops_langchain.audit.lines import hash_line
from aisecops_langchain.domain.events import AnyEvent, RunStarted
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.forensics.evidence.mappings import load_mappings
from aisecops_langchain.forensics.evidence.names import ENVELOPE
from aisecops_langchain.forensics.evidence.statement import open_envelope, pae, read_statement, sign_statement
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.policy.kept import kept_path
from aisecops_langchain.runtime.governor import Governor

OTHER_KEY = b"m" * 32
POLICY = """
version: 1
id: reader
agents: {reader: {capabilities: [read]}}
capabilities: {read: {tools: [read]}}
rules: [{id: read, effect: allow, tools: [read]}]
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return mixed_home(tmp_path / "home")


@pytest.fixture
def folder(home: Path, run: Run, tmp_path: Path) -> Path:
    result = run("evidence", home, "--trace", "trace-1", "-o", tmp_path / "evidence")
    assert result.exit_code == 0, result.output
    return tmp_path / "evidence"


def part(folder: Path, suffix: str) -> Path:
    (found,) = (folder / "segments").glob(f"*.{suffix}")
    return found


def resign(folder: Path, seed: bytes) -> None:
    """Put a package under a new statement, as somebody would who holds a key."""
    predicate = read_statement(open_envelope((folder / ENVELOPE).read_bytes()).payload).predicate
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    files.pop(ENVELOPE)
    (folder / ENVELOPE).write_bytes(sign_statement(files, predicate, seed))


def test_the_script_is_short_and_does_not_import_this_package() -> None:
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 100
    imports = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert imports
    assert not [line for line in imports if "aisecops" in line]


def test_pae_is_that_of_the_specification() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_every_event_kind_is_mapped_and_nothing_else() -> None:
    kinds = {kind.model_fields["kind"].default for kind in get_args(get_args(AnyEvent)[0])}
    named = [kind for topic in load_mappings().topics.values() for kind in topic.kinds]
    assert sorted(named) == sorted(kinds)
    used = {
        (key, item) for topic in load_mappings().topics.values() for key, ids in topic.items.items() for item in ids
    }
    assert used == {(key, item) for key, found in load_mappings().frameworks.items() for item in found.items}


@pytest.mark.parametrize("keys", [(), (PUBLIC,)])
def test_an_honest_package_verifies_in_both_ways(folder: Path, keys: tuple[str, ...]) -> None:
    assert verdicts(folder, *keys) == (True, True)


def test_a_zip_verifies_in_both_ways(home: Path, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "evidence.zip"
    assert run("evidence", home, "--trace", "trace-1", "-o", path).exit_code == 0
    assert verdicts(path, PUBLIC) == (True, True)
    result = run("evidence", "verify", path, "--key", PUBLIC, "--json")
    assert result.exit_code == 0
    assert json.loads(result.output)["keys_pinned"] is True


def test_nothing_of_other_runs_is_disclosed(folder: Path) -> None:
    lines = part(folder, "lines").read_bytes().splitlines()
    assert {orjson.loads(line).get("trace") for line in lines[1:]} == {"trace-1"}
    assert not [path for path in folder.rglob("*") if path.is_file() and b"trace-2" in path.read_bytes()]


def test_bridges_tie_every_line_to_a_head(home: Path, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bridged"
    plain = json.loads(run("evidence", home, "--trace", "trace-1", "-o", tmp_path / "plain", "--json").output)
    bridged = json.loads(run("evidence", home, "--trace", "trace-1", "-o", path, "--bridges", "--json").output)
    assert plain["signed"] < plain["events"]
    assert bridged["signed"] == bridged["events"]
    assert verdicts(path, PUBLIC) == (True, True)


def test_it_explains_itself_in_plain_words(folder: Path) -> None:
    text = (folder / "explanation.txt").read_text()
    assert "Agent procurement acted for user alice of tenant acme." in text
    assert "What it does not show" in text
    mappings = json.loads((folder / "mappings.json").read_text())
    assert "Art. 14(4)(d)" in mappings["eu_ai_act"]["items"]
    assert "approval_granted" in mappings["eu_ai_act"]["items"]["Art. 14(4)(d)"]["events"]
    assert "ASI10" in mappings["owasp_agentic_2026"]["items"]


def test_a_bundle_of_another_run_is_refused(home: Path, run: Run, tmp_path: Path) -> None:
    bundle = tmp_path / "policy.yaml"
    bundle.write_text(POLICY)
    result = run("evidence", home, "--trace", "trace-1", "--policy", bundle, "-o", tmp_path / "e")
    assert result.exit_code == 1
    assert parse_policy(POLICY).digest in result.output
    assert not (tmp_path / "e").exists()


def test_a_log_that_does_not_verify_is_not_packed(home: Path, run: Run, tmp_path: Path) -> None:
    segment = segment_of(home / "audit")
    segment.write_bytes(segment.read_bytes().replace(b"procurement", b"procuremenT", 1))
    result = run("evidence", home, "--trace", "trace-1", "-o", tmp_path / "e")
    assert result.exit_code == 1
    assert "does not verify" in result.output
    assert not (tmp_path / "e").exists()


def test_unknown_trace_and_taken_place_are_refused(home: Path, folder: Path, run: Run, tmp_path: Path) -> None:
    assert run("evidence", home, "--trace", "nobody", "-o", tmp_path / "e").exit_code == 1
    before = sorted(path.name for path in folder.rglob("*"))
    assert run("evidence", home, "--trace", "trace-2", "-o", folder).exit_code == 2
    assert sorted(path.name for path in folder.rglob("*")) == before


def _edit(folder: Path) -> None:
    path = part(folder, "lines")
    path.write_bytes(path.read_bytes().replace(b'"procurement"', b'"procuremenT"', 1))


def _edit_with_its_hash(folder: Path) -> None:
    lines = part(folder, "lines").read_bytes().splitlines()
    new = lines[-2].replace(b"procurement", b"procuremenT")
    path = part(folder, "hashes")
    path.write_bytes(path.read_bytes().replace(hash_line(lines[-2]).encode(), hash_line(new).encode()))
    part(folder, "lines").write_bytes(b"\n".join([*lines[:-2], new, lines[-1], b""]))


def _remove(folder: Path) -> None:
    lines = part(folder, "lines").read_bytes().splitlines(keepends=True)
    part(folder, "lines").write_bytes(b"".join(lines[:3] + lines[4:]))


def _reorder(folder: Path) -> None:
    lines = part(folder, "lines").read_bytes().splitlines(keepends=True)
    lines[2], lines[3] = lines[3], lines[2]
    part(folder, "lines").write_bytes(b"".join(lines))


def _cut(folder: Path) -> None:
    lines = part(folder, "lines").read_bytes().splitlines(keepends=True)
    part(folder, "lines").write_bytes(b"".join(lines[:-1]))


def _repeat(folder: Path) -> None:
    lines = part(folder, "lines").read_bytes().splitlines(keepends=True)
    part(folder, "lines").write_bytes(b"".join([*lines, lines[-1]]))


def _insert_others(folder: Path) -> None:
    segment = segment_of(folder.parent / "home" / "audit").read_bytes().splitlines(keepends=True)
    lines = set(part(folder, "lines").read_bytes().splitlines(keepends=True))
    foreign = next(line for line in segment if b"trace-2" in line)
    mixed = [line for line in segment if line in lines or line == foreign]
    part(folder, "lines").write_bytes(b"".join(mixed))


def _heads(folder: Path) -> None:
    path = part(folder, "heads")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


LINES = [_edit, _edit_with_its_hash, _remove, _reorder, _cut, _repeat, _insert_others, _heads]


@pytest.mark.parametrize("attack", LINES)
def test_changed_lines_are_found(folder: Path, attack: Callable[[Path], None]) -> None:
    attack(folder)
    assert verdicts(folder) == (False, False)
    assert verdicts(folder, PUBLIC) == (False, False)


@pytest.mark.parametrize("attack", LINES)
def test_changed_lines_are_found_under_a_new_statement_of_another_key(
    folder: Path, attack: Callable[[Path], None]
) -> None:
    """Whoever signs the changed package with a key of his own cannot sign the heads."""
    attack(folder)
    signer = HeadSigner(OTHER_KEY)
    (folder / "keys" / f"{signer.key_id}.pub").write_text(signer.public.hex() + "\n")
    resign(folder, OTHER_KEY)
    assert verdicts(folder) == (False, False)
    assert verdicts(folder, PUBLIC) == (False, False)


@pytest.mark.parametrize("attack", [_edit, _remove, _reorder, _cut, _repeat, _insert_others, _edit_with_its_hash])
def test_changed_lines_do_not_fit_even_under_the_audit_key(folder: Path, attack: Callable[[Path], None]) -> None:
    attack(folder)
    resign(folder, KEY)
    assert verdicts(folder, PUBLIC) == (False, False)


def test_a_swapped_key_is_found(folder: Path) -> None:
    other = HeadSigner(OTHER_KEY)
    (folder / "keys" / f"{KEY_ID}.pub").write_text(other.public.hex() + "\n")
    assert verdicts(folder) == (False, False)
    (folder / "keys" / f"{KEY_ID}.pub").rename(folder / "keys" / f"{other.key_id}.pub")
    resign(folder, OTHER_KEY)
    assert verdicts(folder) == (False, False)


def test_a_package_of_another_key_alone_is_found_with_the_pinned_key(run: Run, tmp_path: Path) -> None:
    """A whole forgery is consistent; only a key from elsewhere tells it apart."""
    home = mixed_home(tmp_path / "home")
    other = HeadSigner(OTHER_KEY).public.hex()
    assert run("evidence", home, "--trace", "trace-1", "-o", tmp_path / "e").exit_code == 0
    assert verdicts(tmp_path / "e", other) == (False, False)
    assert "found inside; compare them" in run("evidence", "verify", tmp_path / "e").output
    assert "COMPARE KEYS" in script(tmp_path / "e").stdout


def test_the_envelope_of_another_package_is_found(folder: Path, run: Run, tmp_path: Path) -> None:
    assert run("evidence", tmp_path / "home", "--trace", "trace-2", "-o", tmp_path / "other").exit_code == 0
    shutil.copy(tmp_path / "other" / ENVELOPE, folder / ENVELOPE)
    assert verdicts(folder, PUBLIC) == (False, False)


@pytest.mark.parametrize("name", ["extra.txt", "segments/extra.lines", "keys/extra.pub"])
def test_an_added_file_is_found(folder: Path, name: str) -> None:
    (folder / name).write_text("a\n")
    assert verdicts(folder) == (False, False)
    assert verdicts(folder, PUBLIC) == (False, False)


@pytest.mark.parametrize("name", ["explanation.txt", "mappings.json", "verify_evidence.py", ENVELOPE])
def test_a_changed_or_missing_file_is_found(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data.replace(b"a", b"b", 1))
    assert verdicts(folder, PUBLIC) == (False, False)
    (folder / name).unlink()
    assert verdicts(folder, PUBLIC) == (False, False)


def test_the_type_is_under_the_signature(folder: Path) -> None:
    envelope = json.loads((folder / ENVELOPE).read_bytes())
    envelope["payloadType"] = "application/json"
    (folder / ENVELOPE).write_text(json.dumps(envelope))
    assert verdicts(folder, PUBLIC) == (False, False)


def test_an_unsigned_statement_is_refused(folder: Path) -> None:
    envelope = json.loads((folder / ENVELOPE).read_bytes())
    for signatures in ([], [{"keyid": KEY_ID, "sig": base64.b64encode(b"0" * 64).decode()}]):
        (folder / ENVELOPE).write_text(json.dumps({**envelope, "signatures": signatures}))
        assert verdicts(folder) == (False, False)


@pytest.mark.parametrize("garbage", [b"", b"[]", b"null", b'{"payload":1}', b"\xff\xfe"])
def test_garbage_is_refused(folder: Path, garbage: bytes) -> None:
    (folder / ENVELOPE).write_bytes(garbage)
    assert verdicts(folder) == (False, False)


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    (folder / "explanation.txt").rename(outside)
    (folder / "explanation.txt").symlink_to(outside)
    assert verdicts(folder, PUBLIC) == (False, False)
    (folder / "explanation.txt").unlink()
    outside.rename(folder / "explanation.txt")
    assert verdicts(folder, PUBLIC) == (True, True)
    (folder / "segments").rename(tmp_path / "segments")
    (folder / "segments").symlink_to(tmp_path / "segments", target_is_directory=True)
    assert verdicts(folder, PUBLIC) == (False, False)


def test_a_pipe_in_the_folder_does_not_hang(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert verdicts(folder, PUBLIC) == (False, False)


def _zipped(folder: Path, path: Path, extra: zipfile.ZipInfo | None, data: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
        if extra is not None:
            archive.writestr(extra, data)
    return path


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/etc/evil", "a/../../evil", "segments/../evil", "C:\\evil", "..\\evil", "a/b/c", ".hidden"]
)
def test_zip_slip_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    path = _zipped(folder, tmp_path / "slip.zip", zipfile.ZipInfo(name))
    assert verdicts(path, PUBLIC) == (False, False)


def test_a_link_in_a_zip_is_refused(folder: Path, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert verdicts(_zipped(folder, tmp_path / "link.zip", link, b"/etc/passwd"), PUBLIC) == (False, False)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_in_a_zip_is_refused(folder: Path, tmp_path: Path) -> None:
    twice = _zipped(folder, tmp_path / "twice.zip", zipfile.ZipInfo("explanation.txt"))
    assert verdicts(twice, PUBLIC) == (False, False)
    assert verdicts(_zipped(folder, tmp_path / "honest.zip", None), PUBLIC) == (True, True)


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "e.zip").write_bytes(b"PK\x03\x04 nothing")
    assert verdicts(tmp_path / "e.zip") == (False, False)


def test_verify_names_what_is_wrong(folder: Path, run: Run) -> None:
    assert ours(folder)
    _edit(folder)
    result = run("evidence", "verify", folder, "--key", PUBLIC)
    assert result.exit_code == 1
    assert "EVIDENCE DOES NOT VERIFY" in result.output
    assert "was changed" in result.output


def test_a_pipe_in_the_place_of_the_package_does_not_hang(tmp_path: Path, run: Run) -> None:
    pipe = tmp_path / "case.zip"
    os.mkfifo(pipe)
    result = run("evidence", "verify", pipe)
    assert result.exit_code == 1
    assert "neither a folder nor a plain file" in result.stderr


def test_packing_a_log_directory_says_that_the_home_is_wanted(home: Path, run: Run, tmp_path: Path) -> None:
    result = run("evidence", "pack", home / "audit", "--trace", "trace-1", "-o", tmp_path / "x")
    assert result.exit_code == 2
    assert "expected: the governance home" in result.stderr


def test_a_bundle_that_the_home_kept_goes_into_the_package(tmp_path: Path, run: Run) -> None:
    policy = parse_policy(POLICY)
    home = tmp_path / "home"
    with Governor.open(policy, home, durability="none") as governor:
        principal = Principal(agent="reader", user="alice")
        scope = governor.scope(trace="kept", thread="t", checkpoint_ns="", principal=principal)
        governor.recorder.record(RunStarted, scope, "start", tools=())
        governor.recorder.commit()
    done = run("evidence", home, "--trace", "kept", "-o", tmp_path / "e")
    assert done.exit_code == 0, done.output
    (packed,) = (tmp_path / "e" / "policy").iterdir()
    assert packed.read_bytes() == policy.bundle_json()
    assert verdicts(tmp_path / "e", HeadSigner((home / "keys" / "audit.key").read_bytes()).public.hex()) == (True, True)

    kept_path(home / "policies", policy.digest).write_bytes(b"{}")
    changed = run("evidence", home, "--trace", "kept", "-o", tmp_path / "other")
    assert changed.exit_code == 1
    assert "was changed" in changed.output
    kept_path(home / "policies", policy.digest).unlink()
    assert run("evidence", home, "--trace", "kept", "-o", tmp_path / "without").exit_code == 0
    assert not (tmp_path / "without" / "policy").exists()
