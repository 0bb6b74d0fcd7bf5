"""A home with two runs in one segment, and both verifiers."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain, zip_longest
from pathlib import Path

from cli_logs import KEY
from trace_factory import allowed_story, governed_story

from aisecops_langchain.audit import AuditLog
from aisecops_langchain.audit.heads import HeadSigner
from aisecops_langchain.errors import EvidenceError
from aisecops_langchain.forensics import evidence
from aisecops_langchain.forensics.evidence import check_evidence, read_package

SCRIPT = Path(evidence.__file__).with_name("verify_evidence.py")
PUBLIC = HeadSigner(KEY).public.hex()
KEY_ID = HeadSigner(KEY).key_id


def mixed_home(root: Path, *, commit_every: int = 5) -> Path:
    """Two runs whose events alternate, with a head every so many lines, and a closed segment."""
    (root / "keys").mkdir(parents=True)
    (root / "keys" / "audit.key").write_bytes(KEY)
    (root / "keys" / "audit.key").chmod(0o600)
    pairs = zip_longest(governed_story("trace-1").events, allowed_story("trace-2").events)
    with AuditLog.open(root / "audit", key=KEY) as log:
        for number, event in enumerate(event for event in chain.from_iterable(pairs) if event is not None):
            log.append(event)
            if number % commit_every == 0:
                log.commit()
        log.commit()
    return root


def verdicts(path: Path, *keys: str) -> tuple[bool, bool]:
    """What our verifier says, and what the script says that does not import us."""
    return ours(path, *keys), script(path, *keys).returncode == 0


def ours(path: Path, *keys: str) -> bool:
    from aisecops_langchain.cli.keys import pinned_keys

    try:
        return check_evidence(read_package(path), public_keys=pinned_keys(keys) if keys else None).ok
    except EvidenceError:
        return False


def script(path: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    """Run the script isolated from this package: ``-I`` and a folder in which there is nothing to import."""
    command = [sys.executable, "-I", str(SCRIPT), str(path), *keys]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
