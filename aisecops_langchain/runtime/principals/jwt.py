"""Identity from a JSON Web Token (RFC 7519), checked against public keys in a file (RFC 7517) as RFC 8725 advises.

Invariant: only asymmetric algorithms that the operator named count; the key is chosen by ``kid`` from the operator's
file, and never by anything else that the token brings along. Expiry, issuer, audience and subject must all be there.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aisecops_langchain.canonical import digest_text
from aisecops_langchain.errors import ConfigurationError, IdentityError
from aisecops_langchain.runtime.ports import CheckedClock, Clock, SystemClock
from aisecops_langchain.runtime.principals.identity import Identity, named, require, token_of

if TYPE_CHECKING:
    from jwt import PyJWK

ASYMMETRIC: Final = frozenset(
    {"EdDSA", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
)
"""All that may ever be named; shared secrets and ``none`` are not among them."""

DEFAULT_TOKEN_KEY: Final = "aisecops_token"  # noqa: S105 - the name of a setting
_MAX_TOKEN: Final = 8192
_MAX_FILE: Final = 262_144
_SECOND: Final = 1_000_000_000

Keys = dict[str, "PyJWK"]


class JwtIdentity:
    """Reads a token from ``config["configurable"]`` and vouches for its subject.

    Args:
        jwks: File with the public keys (a JWK Set); read again when it changes.
        issuer: The only issuer that counts.
        audience: Who the token must be meant for.
        algorithms: The only algorithms that count; all asymmetric.
        token_key: Name of the token in the configuration.
        user_claim: The claim that names the user.
        tenant_claim: The claim that names the tenant; without it every user belongs to ``tenant``.
        tenant: The tenant where no claim names it.
        roles_claim: The claim that lists the roles in which the user answers approvals; without it there are none.
        leeway_seconds: How far clocks may differ, at most 300.
        clock: Tells the time; this machine's by default.

    Raises:
        ConfigurationError: If PyJWT is missing, an algorithm is not asymmetric, or the file cannot be used.
    """

    def __init__(
        self,
        jwks: str | os.PathLike[str],
        *,
        issuer: str,
        audience: str,
        algorithms: Collection[str] = ("EdDSA", "ES256", "RS256"),
        token_key: str = DEFAULT_TOKEN_KEY,
        user_claim: str = "sub",
        tenant_claim: str | None = None,
        tenant: str = "default",
        roles_claim: str | None = None,
        leeway_seconds: int = 30,
        clock: Clock | None = None,
    ) -> None:
        require(issuer and audience, "a token could come from anybody, for anybody", "an issuer and an audience")
        wanted = frozenset(algorithms)
        require(wanted and wanted <= ASYMMETRIC, "an algorithm is not asymmetric", f"some of {sorted(ASYMMETRIC)}")
        require(0 <= leeway_seconds <= 300, "such a leeway defeats expiry", "0 to 300 seconds")
        self._path = Path(jwks)
        self._issuer, self._audience = issuer, audience
        self._algorithms = sorted(wanted)
        self._token_key, self._user_claim = token_key, user_claim
        self._tenant_claim, self._tenant = tenant_claim, tenant
        self._roles_claim = roles_claim
        self._leeway = leeway_seconds
        self._clock = CheckedClock(clock or SystemClock())
        self._lock = threading.Lock()
        self._version: tuple[int, int, int] = (0, 0, 0)
        self._keys: Keys = {}
        self._current_keys()

    def identify(self, config: Mapping[str, Any], /) -> Identity:
        """Vouch for the subject of the token that came with a run.

        Raises:
            IdentityError: If the token is missing, malformed, forged, expired, or not for us.
            ClockError: If there is no time to judge it by.
        """
        token = token_of(config, self._token_key, limit=_MAX_TOKEN)
        presented = digest_text("token", token)
        claims = self._verified(token, presented)
        self._check_times(claims, presented)
        tenant = self._tenant if self._tenant_claim is None else claims.get(self._tenant_claim)
        roles = None if self._roles_claim is None else claims.get(self._roles_claim)
        return named(claims.get(self._user_claim), tenant, self._issuer, roles=roles, presented=presented)

    def _verified(self, token: str, presented: str) -> Mapping[str, Any]:
        import jwt  # noqa: PLC0415 - an extra

        key = self._key_for(token, presented)
        try:
            return jwt.decode(
                token,
                key=key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                options={
                    "require": ["exp", "iss", "aud", self._user_claim],
                    "verify_exp": False,  # by our own clock, below
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError as error:
            code = _CODES.get(type(error).__name__, "malformed")
            message = "the token does not identify anybody"
            raise IdentityError(code, message, presented=presented, got=type(error).__name__) from None
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            message = "the token cannot be read"
            raise IdentityError("malformed", message, presented=presented, got=type(error).__name__) from None

    def _key_for(self, token: str, presented: str) -> PyJWK:
        import jwt  # noqa: PLC0415 - an extra

        try:
            header = jwt.get_unverified_header(token)
        except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError) as error:
            got = type(error).__name__
            raise IdentityError("malformed", "this is no token", presented=presented, got=got) from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._algorithms:
            wanted = ", ".join(self._algorithms)
            raise IdentityError(
                "algorithm", "the token's algorithm does not count", presented=presented, expected=wanted
            )
        if "crit" in header:
            raise IdentityError("malformed", "the token asks for extensions", presented=presented)
        key = self._current_keys().get(kid) if isinstance(kid, str) else None
        if key is None:
            raise IdentityError("unknown_key", "no key of that name is in the file", presented=presented)
        if key.algorithm_name != algorithm:
            raise IdentityError("algorithm", "the key is for another algorithm", presented=presented)
        return key

    def _check_times(self, claims: Mapping[str, Any], presented: str) -> None:
        now = self._clock.now() / _SECOND
        expires = _seconds(claims.get("exp"))
        starts = [_seconds(claims[name]) for name in ("nbf", "iat") if name in claims]
        if expires is None or None in starts:
            raise IdentityError("malformed", "a time in the token is no number", presented=presented)
        if now >= expires + self._leeway:
            raise IdentityError("expired", "the token has expired", presented=presented, remedy="resume with a new one")
        if any(start is not None and now < start - self._leeway for start in starts):
            raise IdentityError("not_yet_valid", "the token is not valid yet", presented=presented)

    def _current_keys(self) -> Keys:
        """Return the keys in the file as it is now; a file that cannot be used leaves no key standing."""
        with self._lock:
            try:
                found = self._path.stat()
                version = (found.st_mtime_ns, found.st_size, found.st_ino)
                if version != self._version:
                    self._keys, self._version = {}, (0, 0, 0)
                    if found.st_size > _MAX_FILE:
                        raise _unusable(self._path, "too large")
                    self._keys = read_keys(self._path.read_bytes(), self._path)
                    self._version = version
            except OSError as error:
                self._keys, self._version = {}, (0, 0, 0)
                raise _unusable(self._path, type(error).__name__) from None
            return self._keys


def read_keys(data: bytes, path: Path) -> Keys:
    """Read public keys from a JWK Set.

    Args:
        data: Its JSON.
        path: Where it came from, for the error.

    Returns:
        The keys by ``kid``.

    Raises:
        ConfigurationError: If it is malformed, holds a secret key, or two keys of one name.
    """
    try:
        from jwt import PyJWK  # noqa: PLC0415 - an extra
        from jwt.exceptions import PyJWTError  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(
            "tokens cannot be checked",
            expected="the package PyJWT",
            got="not installed",
            remedy="pip install 'aisecops-langchain[jwt]'",
        ) from error
    keys: Keys = {}
    try:
        for entry in json.loads(data)["keys"]:
            kid = entry["kid"]
            if entry["kty"] not in ("RSA", "EC", "OKP") or "d" in entry or not isinstance(kid, str) or kid in keys:
                raise _unusable(path, "a secret key, a key without a name, or two of one name")
            keys[kid] = PyJWK.from_dict(entry)
    except (PyJWTError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _unusable(path, type(error).__name__) from None
    return keys


_CODES: Final = {
    "InvalidSignatureError": "signature",
    "InvalidAudienceError": "audience",
    "InvalidIssuerError": "issuer",
    "MissingRequiredClaimError": "claim_missing",
    "InvalidAlgorithmError": "algorithm",
}


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _unusable(path: Path, got: str) -> ConfigurationError:
    return ConfigurationError(
        f"the key file {path.name} cannot be used",
        expected="a JWK Set of public keys, each with a kid of its own",
        got=got,
        remedy="export the public keys of your identity provider",
    )
