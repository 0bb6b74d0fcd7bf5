"""Credentials of every form, made at random here so that none of them ever opened anything."""

from __future__ import annotations

import base64
import random
import string
import zlib

_RANDOM = random.Random(7)
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_URLSAFE = _BASE62 + "-_"


def chars(count: int, alphabet: str = _BASE62) -> str:
    """Random characters, at least one digit and one letter among them."""
    return "a7" + "".join(_RANDOM.choices(alphabet, k=count - 2))


def with_checksum(prefix: str) -> str:
    """A token as GitHub and npm make them."""
    body = chars(30)
    number, digits = zlib.crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return prefix + body + digits.rjust(6, "0")


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


_HEADER, _CLAIMS = _encoded('{"alg":"HS256","typ":"JWT"}'), _encoded('{"sub":"1234"}')
_PEM = "\n".join(chars(64, _BASE62 + "+/") for _ in range(4))

SECRETS: dict[str, str] = {
    "aws-access-key-id": "AKIA" + "".join(_RANDOM.choices(string.ascii_uppercase + "234567", k=16)),
    "github-token": with_checksum("ghp_"),
    "github-oauth": with_checksum("gho_"),
    "github-fine-grained": f"github_pat_{chars(22)}_{chars(59)}",
    "gitlab-token": f"glpat-{chars(20, _URLSAFE)}",
    "slack-token": f"xoxb-{'123456789012'}-{'123456789013'}-{chars(24)}",
    "slack-webhook": f"hooks.slack.com/services/T{chars(8)}/B{chars(8)}/{chars(24)}",
    "stripe-key": f"sk_live_{chars(24)}",
    "anthropic-key": f"sk-ant-api03-{chars(93, _URLSAFE)}AA",
    "openai-key": f"sk-proj-{chars(48, _URLSAFE)}",
    "google-api-key": f"AIza{chars(35, _URLSAFE)}",
    "huggingface-token": "hf_" + "".join(_RANDOM.sample(string.ascii_letters, 34)),
    "npm-token": with_checksum("npm_"),
    "pypi-token": f"pypi-AgEIcHlwaS5vcmc{chars(60, _URLSAFE)}",
    "sendgrid-key": f"SG.{chars(22, _URLSAFE)}.{chars(43, _URLSAFE)}",
    "twilio-key": "SK" + "".join(_RANDOM.choices("0123456789abcdef", k=32)),
    "telegram-token": f"123456789:AA{chars(33, _URLSAFE)}",
    "azure-account-key": f"AccountKey={base64.b64encode(_RANDOM.randbytes(64)).decode()}",
    "azure-sas": f"?sv=2022-11-02&sig={base64.b64encode(_RANDOM.randbytes(32)).decode().replace('+', '%2B')}",
    "jwt": f"{_HEADER}.{_CLAIMS}.{chars(43, _URLSAFE)}",
    "private-key": f"-----BEGIN RSA PRIVATE KEY-----\n{_PEM}\n-----END RSA PRIVATE KEY-----",
    "openssh-key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_PEM}\n-----END OPENSSH PRIVATE KEY-----",
    "pgp-key": f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x-1\n\n{_PEM}\n-----END PGP PRIVATE KEY BLOCK-----",
    "key-without-end": f"-----BEGIN EC PRIVATE KEY-----\n{_PEM}",
    "url-password": "postgres://app:hunter2hunter2@db.internal:5432/app",
    "basic-auth": f"Basic {base64.b64encode(b'admin:hunter2hunter2').decode()}",
    "bearer-token": f"Bearer {chars(40)}",
    "assigned": "db_password=hunter2hunter2",
    "assigned-quoted": "'clientSecret': 'hunter2hunter2'",
    "assigned-spelt": "The password is hunter2hunter2.",
    "environment": f"DEPLOY_STUFF={chars(40)}",
}
"""One text for each form. What must not survive of it is ``core_of`` it."""


def core_of(text: str) -> str:
    """The part of a credential that gives it away."""
    if "PRIVATE KEY" in text:
        return text.split("\n")[-2] if "END" in text else text.rsplit("\n", maxsplit=1)[-1]
    if "hunter2" in text:
        return "hunter2hunter2"
    return text.rpartition(" ")[2].rpartition("sig=")[2].partition("DEPLOY_STUFF=")[2] or text.rpartition(" ")[2][-20:]


HARMLESS = [
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "id 123e4567-e89b-12d3-a456-426614174000",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "md5 = d41d8cd98f00b204e9800998ecf8427e",
    f"data:image/png;base64,{base64.b64encode(_RANDOM.randbytes(600)).decode()}",
    f"![logo](data:image/gif;base64,{base64.b64encode(_RANDOM.randbytes(300)).decode()})",
    "ghp_" + "x" * 36,
    "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18",
    "password=<your password>",
    "password: required",
    "api_key=$API_KEY",
    "api_key: ${{ secrets.API_KEY }}",
    "token = os.environ['TOKEN']",
    "self.password = config.password",
    "def login(user, password=None, token: str = ''):",
    "The password is wrong, the token is expired, and the secret is out.",
    "Keep the secret: the cake is chocolate.",
    "max_tokens: 4096, total_tokens=128",
    "To reset your password: https://example.com/reset-password-now-12",
    "https://example.com:8080/path@home",
    "eyJhbGciOi.eyJub3QiOiJqc29u.short",
    "basic training, bearer of news, Basic understanding12",
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
    'markers = ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----")',
    "AKIA is the prefix of AWS key ids; sk- of OpenAI's.",
    "password=********",
    "password=<CREDENTIAL>",
]
