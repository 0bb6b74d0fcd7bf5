"""Identity by attack: a token names somebody only if all of it holds; everything else is refused by name."""

from __future__ import annotations

import base64
import json
import os

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from runtime_kit import LAW

from aisecops_langchain.errors import ConfigurationError, IdentityError
from aisecops_langchain.runtime.principals.identity import StaticIdentity
from aisecops_langchain.runtime.principals.jwt import JwtIdentity
from aisecops_langchain.testing import FixedClock

NOW = 1_800_000_000
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
OTHER_ED = ed25519.Ed25519PrivateKey.generate()
PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
CLAIMS = {"sub": "ann", "org": "acme", "iss": "https://login", "aud": "agents", "exp": NOW + 60, "iat": NOW, "nbf": NOW}


def jwks(**keys):
    makers = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
    entries = [{**json.loads(makers[alg].to_jwk(key)), "kid": kid, "alg": alg} for kid, (alg, key) in keys.items()]
    return json.dumps({"keys": entries})


PUBLIC = jwks(r1=("RS256", RSA_KEY.public_key()), e1=("ES256", EC_KEY.public_key()), d1=("EdDSA", ED_KEY.public_key()))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "jwks.json").write_text(PUBLIC)
    return tmp_path / "jwks.json"


def provider(path, **kw):
    given = {"issuer": "https://login", "audience": "agents", "tenant_claim": "org", "leeway_seconds": 0, **kw}
    return JwtIdentity(path, clock=FixedClock(NOW * 10**9), **given)


def token(key=ED_KEY, alg="EdDSA", kid="d1", header=None, drop=(), **claims):
    stated = {name: value for name, value in {**CLAIMS, **claims}.items() if name not in drop}
    return jwt.encode(stated, key, algorithm=alg, headers={"kid": kid, **(header or {})})


def raw(header, claims=CLAIMS, signature=b""):
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hmac_with_the_public_key():
    """The classical confusion: HS256 over the public key as if it were a shared secret."""
    signer = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    unsigned = raw({"alg": "HS256", "kid": "r1"}).rpartition(".")[0]
    made = signer.sign(unsigned.encode(), PEM)
    return f"{unsigned}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def present(found):
    return {"configurable": {"aisecops_token": found}}


@pytest.mark.parametrize(
    ("key", "alg", "kid"), [(RSA_KEY, "RS256", "r1"), (EC_KEY, "ES256", "e1"), (ED_KEY, "EdDSA", "d1")]
)
def test_a_sound_token_names_user_tenant_and_issuer(path, key, alg, kid):
    for text in (token(key, alg, kid), "Bearer " + token(key, alg, kid, aud=["agents", "others"])):
        found = provider(path).identify(present(text))
        assert (found.user, found.tenant, found.issuer) == ("ann", "acme", "https://login")


ATTACKS = {
    "alg none": (lambda: raw({"alg": "none", "kid": "d1"}), "algorithm"),
    "alg None with signature": (lambda: raw({"alg": "nOnE", "kid": "d1"}, signature=b"x"), "algorithm"),
    "no alg": (lambda: raw({"kid": "d1"}), "algorithm"),
    "alg is a list": (lambda: raw({"alg": ["EdDSA"], "kid": "d1"}), "algorithm"),
    "public key as shared secret": (hmac_with_the_public_key, "algorithm"),
    "another key": (lambda: token(OTHER_ED), "signature"),
    "the key of another algorithm": (lambda: token(ED_KEY, "EdDSA", "r1"), "algorithm"),
    "unknown kid": (lambda: token(kid="d2"), "unknown_key"),
    "no kid": (lambda: raw({"alg": "EdDSA"}), "unknown_key"),
    "kid is a path": (lambda: token(kid="../../dev/null"), "unknown_key"),
    "a key of its own": (
        lambda: token(OTHER_ED, header={"jwk": json.loads(OKPAlgorithm.to_jwk(OTHER_ED.public_key()))}),
        "signature",
    ),
    "extensions": (lambda: token(header={"crit": ["b64"], "b64": False}), "malformed"),
    "no signature": (lambda: token().rpartition(".")[0] + ".", "signature"),
    "claims changed": (
        lambda: (
            token().split(".")[0] + "." + raw({}, {**CLAIMS, "sub": "eve"}).split(".")[1] + "." + token().split(".")[2]
        ),
        "signature",
    ),
    "expired": (lambda: token(exp=NOW), "expired"),
    "never expires": (lambda: token(drop=["exp"]), "claim_missing"),
    "expires as text": (lambda: token(exp="tomorrow"), "malformed"),
    "expires as true": (lambda: token(exp=True), "malformed"),
    "expires at infinity": (lambda: token(exp=float("inf")), "malformed"),
    "not yet": (lambda: token(nbf=NOW + 5), "not_yet_valid"),
    "issued tomorrow": (lambda: token(iat=NOW + 86_400), "not_yet_valid"),
    "another audience": (lambda: token(aud="billing"), "audience"),
    "no audience": (lambda: token(drop=["aud"]), "claim_missing"),
    "another issuer": (lambda: token(iss="https://login.evil"), "issuer"),
    "no issuer": (lambda: token(drop=["iss"]), "claim_missing"),
    "no subject": (lambda: token(drop=["sub"]), "claim_missing"),
    "empty subject": (lambda: token(sub=""), "name"),
    "invisible letters in the subject": (lambda: token(sub="an\u200bn"), "name"),
    "endless subject": (lambda: token(sub="a" * 300), "name"),
    "no tenant": (lambda: token(drop=["org"]), "name"),
    "tenant is a list": (lambda: token(org=["acme", "other"]), "name"),
    "a megabyte": (lambda: "a" * 1_000_000, "oversized"),
    "encrypted": (lambda: "a.b.c.d.e", "malformed"),
    "other letters": (lambda: "\u0435yJ", "malformed"),
    "nothing": (lambda: None, "missing"),
    "a dictionary": (lambda: {"sub": "ann"}, "missing"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_token_with_any_fault_names_nobody(path, attack):
    make, code = ATTACKS[attack]
    made = make()
    with pytest.raises(IdentityError) as caught:
        provider(path).identify(present(made))
    assert caught.value.code == code
    assert not isinstance(made, str) or made[:40] not in str(caught.value)


@LAW
@given(st.text(max_size=200), st.integers(0, 10_000))
def test_noise_names_nobody(tmp_path_factory, noise, where):
    path = tmp_path_factory.mktemp("jwks") / "jwks.json"
    path.write_text(PUBLIC)
    good = token()
    for text in (
        noise,
        f"{noise}.{noise}.{noise}",
        good[: where % len(good)] + noise[:1] + good[where % len(good) + 1 :],
    ):
        if text == good:
            continue
        try:
            found = provider(path).identify(present(text))
        except IdentityError:
            continue
        assert text.split(".")[:2] == good.split(".")[:2]  # the last bits of base64 have no meaning
        assert found.user == "ann"


@pytest.mark.parametrize("algorithms", [["HS256"], ["none"], ["EdDSA", "HS512"], [], ["eddsa"]])
def test_shared_secrets_cannot_be_configured(path, algorithms):
    with pytest.raises(ConfigurationError):
        provider(path, algorithms=algorithms)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "d1"}]}',
        '{"keys": [' + OKPAlgorithm.to_jwk(ED_KEY)[:-1] + ', "kid": "d1"}]}',
        json.dumps({"keys": json.loads(PUBLIC)["keys"] * 2}),
    ],
    ids=["empty", "a list", "a shared secret", "a private key", "two of one name"],
)
def test_a_key_file_that_cannot_be_trusted_is_refused(path, content):
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        provider(path)
    assert "c2VjcmV0" not in str(caught.value)


def test_keys_are_rotated_by_changing_the_file_and_a_lost_file_leaves_nobody(path):
    found = provider(path)
    found.identify(present(token()))
    path.write_text(jwks(d2=("EdDSA", OTHER_ED.public_key())))
    os.utime(path, ns=(1, 1))
    assert found.identify(present(token(OTHER_ED, kid="d2"))).user == "ann"
    with pytest.raises(IdentityError):
        found.identify(present(token()))
    path.unlink()
    with pytest.raises(ConfigurationError):
        found.identify(present(token(OTHER_ED, kid="d2")))


def test_a_static_identity_needs_real_names():
    assert StaticIdentity("ann").identify({}).issuer == "configuration"
    for user in ("", " ann", "a\nb"):
        with pytest.raises(IdentityError):
            StaticIdentity(user)


@pytest.mark.parametrize(
    ("claim", "roles"),
    [(["cfo", "auditor"], ("auditor", "cfo")), ("cfo auditor", ("auditor", "cfo")), ([], ()), (None, ())],
)
def test_roles_are_read_from_the_claim_that_the_operator_named_and_no_other(path, claim, roles):
    found = provider(path, roles_claim="groups").identify(present(token(groups=claim)))
    assert (found.roles, found.approver().roles, found.approver().verified) == (roles, roles, True)
    assert provider(path).identify(present(token(groups=claim, roles=["cfo"]))).roles == ()


@pytest.mark.parametrize(
    "claim", [{"cfo": True}, 7, True, ["cfo", 7], [["cfo"]], [""], ["x" * 300], ["a"] * 300, ["\u202e"]]
)
def test_roles_that_cannot_be_read_name_nobody(path, claim):
    with pytest.raises(IdentityError):
        provider(path, roles_claim="groups").identify(present(token(groups=claim)))
