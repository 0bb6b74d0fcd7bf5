"""Keeping every bundle that comes into force, so that what it decided can be decided again later.

Invariant: when ``keep`` returns, the bundle survives a loss of power under its own digest; nothing kept is replaced by
anything else.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from aisecops_langchain.audit.files import sync_directory, write_durably
from aisecops_langchain.errors import AuditWriteError, PolicyError
from aisecops_langchain.policy import Policy, PolicyEngine
from aisecops_langchain.policy.kept import kept_path, read_kept


class KeptPolicies:
    """The bundles of a home.

    Args:
        folder: Where they are kept; made with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, policy: PolicyEngine) -> None:
        """Keep a bundle that is about to come into force; an engine of another kind keeps its own.

        Args:
            policy: The policy.

        Raises:
            AuditWriteError: If it cannot be kept, or what is kept under its digest was changed.
        """
        if not isinstance(policy, Policy):
            return
        try:
            if read_kept(self._folder, policy.digest) is None:
                self._write(kept_path(self._folder, policy.digest), policy.bundle_json())
        except (OSError, PolicyError) as error:
            raise AuditWriteError(
                "the policy bundle cannot be kept",
                expected=f"a folder {self._folder.name} that this process may write to, with unchanged bundles",
                got=error.message if isinstance(error, PolicyError) else type(error).__name__,
                remedy="free the disk, fix the permissions, or move the changed file away",
            ) from error

    def _write(self, path: Path, text: bytes) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_directory(self._folder.parent)
        # Under another name first: what has the right name is whole, and several governors may write the same at once.
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        write_durably(temporary, text)
        temporary.replace(path)
        sync_directory(self._folder)
