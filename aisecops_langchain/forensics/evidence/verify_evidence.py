"""Checks an evidence package with nothing but ``cryptography``: python verify_evidence.py PATH [PUBLIC_KEY_HEX ...].

Invariant: it says OK, with exit code 0, only if every signature, hash, chain and file name holds.
"""

import base64
import hashlib
import json
import re
import stat
import sys
import zipfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NAME = re.compile(r"(?:[a-z]{1,16}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
LINE = re.compile(rb'\{"seq":(0|[1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})",(?=")')
TYPES = ("application/vnd.in-toto+json", "https://in-toto.io/Statement/v1", "urn:aisecops-langchain:evidence:1")


def _need(holds: object, message: str) -> None:
    if not holds:
        sys.exit(f"NOT OK: {message}")


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read(root: Path) -> dict[str, bytes]:
    """Read a folder or a zip file; nothing is unpacked, no link is followed."""
    files: dict[str, bytes] = {}
    if root.is_dir():
        for path in [root, *sorted(root.rglob("*"))]:
            mode, name = path.lstat().st_mode, path.relative_to(root).as_posix()
            _need(stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and NAME.fullmatch(name)), f"{name!r} is no plain file")
            files.update({name: path.read_bytes()} if stat.S_ISREG(mode) else {})
        return files
    with zipfile.ZipFile(root) as archive:
        for info in archive.infolist():
            plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG) and info.orig_filename not in files
            _need(plain and NAME.fullmatch(info.orig_filename), "a name that leads elsewhere")
            _need(info.file_size + sum(map(len, files.values())) <= 1 << 30, "too large")
            files[info.filename] = archive.read(info)
    return files


def _verify(keys: dict[str, bytes], key_id: str, signature: bytes, data: bytes) -> None:
    _need(key_id in keys, f"key {key_id!r} is not trusted")
    Ed25519PublicKey.from_public_bytes(keys[key_id]).verify(signature, data)


def segment(files: dict[str, bytes], name: str, keys: dict[str, bytes], trace: str, *, bridges: bool) -> int:
    """Check one segment, and count the events of the run in it."""
    lines, sums, heads = (files[f"segments/{name}.{part}"].split(b"\n")[:-1] for part in ("lines", "hashes", "heads"))
    hashes, previous, last, events = [line.decode() for line in sums], "0" * 64, -1, 0
    for line in heads:
        head = json.loads(line)
        text = json.dumps({k: v for k, v in head.items() if k != "sig"}, sort_keys=True, separators=(",", ":"))
        _verify(keys, head["key_id"], bytes.fromhex(head["sig"]), text.encode())
        fits = (head["segment"], head["previous"], hashes[head["seq"]]) == (name, previous, head["head"])
        previous = _sha(line) if fits else sys.exit("NOT OK: a signed head does not fit")
    for line in lines:
        place = LINE.match(line) or sys.exit("NOT OK: a line has no place in the log")
        _need(last < int(place[1]) < len(hashes), "a line is not in the order of the log")
        last = int(place[1])
        chained = (hashes[last], hashes[last - 1] if last else "0" * 64)
        _need((_sha(line), place[2].decode()) == chained, f"line {last} is not the one that was chained")
        events += (ours := json.loads(line).get("trace") == trace)
        _need(ours or last == 0 or bridges, f"line {last} is of another run")
    return events


def main(path: str, pinned: list[str]) -> str:
    """Check everything, and say what was seen."""
    files = read(Path(path))
    found = pinned or [data.decode().strip() for name, data in files.items() if name.startswith("keys/")]
    keys = {_sha(bytes.fromhex(key))[:16]: bytes.fromhex(key) for key in found}
    envelope = json.loads(files.pop("statement.dsse.json"))
    kind, payload, signed = envelope["payloadType"], base64.b64decode(envelope["payload"]), envelope["signatures"][0]
    covered = b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)
    _verify(keys, signed["keyid"], base64.b64decode(signed["sig"]), covered)
    statement = json.loads(payload)
    _need((kind, statement["_type"], statement["predicateType"]) == TYPES, "the statement is of another type")
    subjects = {item["name"]: item["digest"]["sha256"] for item in statement["subject"]}
    _need(subjects == {name: _sha(data) for name, data in files.items()}, "a file was changed, added or taken away")
    said = statement["predicate"]
    trace, bridges = said["trace"], said["bridges"] is True
    events = sum(segment(files, name, keys, trace, bridges=bridges) for name in said["segments"])
    _need(events == said["events"] > 0, "events are missing")
    _need(pinned or len(keys) == 1, "several keys signed: name those that you trust")
    return f"OK: trace {trace!r}, {events} events, " + ("trusted keys" if pinned else f"COMPARE KEYS {found}")


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1], sys.argv[2:]) + "\n")
    except Exception as error:  # noqa: BLE001 - whatever stands in a package, it is not OK
        sys.exit(f"NOT OK: {type(error).__name__}")
