"""A real server on a port: where it may listen, how it is entered, live updates, TLS, and its end."""

from __future__ import annotations

import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cli_logs import KEY, write_log
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from page_kit import waiting
from trace_factory import allowed_story, governed_story

from aisecops_langchain.audit import AuditLog, verify_log
from aisecops_langchain.cli.main import cli
from aisecops_langchain.errors import AisecopsError, ConfigurationError
from aisecops_langchain.web.access import Role, token_hash
from aisecops_langchain.web.access_file import load_access
from aisecops_langchain.web.binding import Binding

COMMAND = [sys.executable, "-c", "from aisecops_langchain.cli.main import main; main()", "serve"]
PATIENCE = 60
BUNDLE = """
version: 1
id: office
agents: {clerk: {capabilities: [read]}}
capabilities: {read: {tools: [search]}}
rules: [{id: reading, effect: allow, tools: [search]}]
"""


@contextmanager
def serving(home: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the command; gives the address that it prints."""
    arguments = [*COMMAND, str(home), "--port", "0", "--cache", str(home / "cache"), *options]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        yield line.rstrip(".\n").split(" ")[-1] if "Open" in line else line.split(" ")[2].rstrip("."), process
    finally:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
        assert (output.count("token="), errors) == (0, ""), "the address stands in the first line alone"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_log(tmp_path / "home" / "audit", governed_story().events)
    return tmp_path / "home"


def test_the_printed_address_opens_the_list_and_live_updates_tell_of_a_new_run(home: Path) -> None:
    with serving(home) as (address, _), httpx.Client(follow_redirects=True, timeout=PATIENCE) as browser:
        page = browser.get(address)
        assert page.status_code == 200
        assert "token" not in str(page.url)
        root = str(page.url).rstrip("/")
        assert browser.get(f"{root}/api/traces").json()["total"] in (0, 1)
        with browser.stream("GET", f"{root}/api/live") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.iter_lines()
            assert next(lines).startswith("retry")
            with AuditLog.open(home / "audit", key=KEY) as log:
                for event in allowed_story("brand-new").events:
                    log.append(event)
            assert any("brand-new" in line for line in lines if line.startswith("data:"))
        listed = browser.get(f"{root}/api/traces").json()
        assert {row["trace"] for row in listed["traces"]} == {"brand-new", "trace-1"}
        assert httpx.get(f"{root}/api/traces").status_code == 401
        assert httpx.get(f"{root}/api/traces", headers={"host": "rebound.example"}).status_code == 421


def test_it_ends_although_a_page_is_open(home: Path) -> None:
    with serving(home) as (address, process), httpx.Client(follow_redirects=True, timeout=PATIENCE) as browser:
        root = str(browser.get(address).url).rstrip("/")
        with browser.stream("GET", f"{root}/api/live") as stream:
            lines = stream.iter_lines()
            next(lines)
            process.send_signal(signal.SIGINT)
            list(lines)
        assert process.wait(timeout=PATIENCE) == 0


def test_two_servers_of_one_log_do_not_undo_each_others_work(home: Path) -> None:
    with serving(home):
        refused = CliRunner().invoke(cli, ["serve", str(home), "--port", "0", "--cache", str(home / "cache")])
        assert refused.exit_code == 2
        assert "another server reads this log already" in refused.output


def test_tls_is_spoken_and_the_cookie_kept_to_it(home: Path, tmp_path: Path) -> None:
    certificate, key = certified(tmp_path)
    with serving(home, "--tls-cert", str(certificate), "--tls-key", str(key)) as (address, _):
        assert address.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(verify=trust, timeout=PATIENCE) as browser:
            entered = browser.get(address)
            assert entered.status_code == 303
            assert "secure" in entered.headers["set-cookie"].lower()
            assert "strict-transport-security" in entered.headers


def test_tokens_of_a_file_name_persons(home: Path, tmp_path: Path) -> None:
    access = tmp_path / "access.yaml"
    access.write_text(f"tokens:\n  - {{person: ann, sha256: {token_hash('of-ann')}, tenants: [acme]}}\n")
    access.chmod(0o600)
    with serving(home, "--access", str(access)) as (address, _):
        asked = httpx.get(f"{address}/api/me", headers={"authorization": "Bearer of-ann"}, timeout=PATIENCE).json()
        assert (asked["person"], asked["role"], asked["tenants"]) == ("ann", "viewer", ["acme"])


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine's own address that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "replay")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return certificate, secret


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "2001:db8::1"])
def test_others_are_not_let_near_without_tls(home: Path, host: str) -> None:
    with pytest.raises(ConfigurationError, match="without TLS"):
        Binding(host=host, names=("replay.example",)).check()
    refused = CliRunner().invoke(cli, ["serve", str(home), "--host", host, "--port", "0"])
    assert refused.exit_code == 2
    assert "--dangerously-without-tls" in refused.output


def test_the_flag_that_is_named_for_its_danger_lets_others_near() -> None:
    Binding(host="192.0.2.7", unsafe_without_tls=True).check()
    Binding(host="0.0.0.0", names=("replay.example",), unsafe_without_tls=True).check()
    with pytest.raises(ConfigurationError, match="by which name"):
        Binding(host="0.0.0.0", unsafe_without_tls=True).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_itself_is_let_near(host: str) -> None:
    Binding(host=host).check()


@pytest.mark.parametrize("host", ["replay.example", "", "127.0.0.1.evil.example", "0x7f000001", "2130706433"])
def test_what_is_no_address_is_not_listened_on(host: str) -> None:
    with pytest.raises(ConfigurationError, match="address to listen on"):
        Binding(host=host).check()


def test_tls_takes_both_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="both"):
        Binding(certificate=tmp_path / "cert.pem").check()


def test_only_its_own_names_reach_it() -> None:
    local = {"127.0.0.1:8", "localhost:8", "[::1]:8"}
    assert Binding().hosts(8) == local
    named = Binding(host="192.0.2.7", names=("Replay.example",), unsafe_without_tls=True)
    assert named.hosts(8) == {"192.0.2.7:8", "replay.example:8"}
    assert named.hosts(80) == {"192.0.2.7:80", "replay.example:80", "192.0.2.7", "replay.example"}
    assert Binding(host="0.0.0.0", names=("replay.example",)).hosts(8) == local | {"replay.example:8"}


GOOD = "0" * 64


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tokens: []",
        "tokens: [{person: ann}]",
        f"tokens: [{{person: '', sha256: '{GOOD}'}}]",
        f"tokens: [{{person: ' ', sha256: '{GOOD}'}}]",
        "tokens: [{person: ann, sha256: of-ann}]",
        f"tokens: [{{person: ann, sha256: '{GOOD}', role: admin}}]",
        f"tokens: [{{person: ann, sha256: '{GOOD}', tenants: []}}]",
        f"tokens: [{{person: ann, sha256: '{GOOD}', token: secret}}]",
        f"tokens: [{{person: ann, sha256: '{GOOD}'}}, {{person: bob, sha256: '{GOOD}'}}]",
        f"tokens: &t [{{person: ann, sha256: '{GOOD}'}}]",
    ],
)
def test_an_access_file_that_makes_no_sense_lets_nobody_in(tmp_path: Path, text: str) -> None:
    file = tmp_path / "access.yaml"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(AisecopsError) as refused:
        load_access(file)
    assert "secret" not in str(refused.value)


def test_an_access_file_that_others_may_write_lets_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "access.yaml"
    file.write_text(f"tokens: [{{person: ann, sha256: '{GOOD}', role: approver, roles: [finance]}}]")
    file.chmod(0o644)
    (holder,) = load_access(file)
    caller = holder.caller
    assert (caller.person, caller.role, caller.tenants, caller.verified) == ("ann", Role.APPROVER, None, True)
    assert caller.roles == ("finance",)
    file.chmod(0o666)
    with pytest.raises(ConfigurationError, match="written by others"):
        load_access(file)


def test_the_printed_token_may_answer_only_in_somebodys_name(home: Path, tmp_path: Path) -> None:
    for options, role in (((), "viewer"), (("--as", "bob"), "approver")):
        with serving(home, *options) as (address, _), httpx.Client(timeout=PATIENCE, follow_redirects=True) as browser:
            root = str(browser.get(address).url).rstrip("/")
            asked = browser.get(f"{root}/api/me").json()
            assert (asked["role"], asked["verified"]) == (role, False)
    access = tmp_path / "access.yaml"
    access.write_text(f"tokens: [{{person: ann, sha256: '{GOOD}'}}]")
    both = CliRunner().invoke(cli, ["serve", str(home), "--as", "bob", "--access", str(access), "--port", "0"])
    assert both.exit_code == 2


def test_approvals_of_a_home_are_served_unless_it_is_to_be_read_only(tmp_path: Path) -> None:
    with waiting(tmp_path / "home") as graph:
        graph.ask("one", "Pay 90 euros to ACME.")
        for options, status in ((("--read-only",), 404), ((), 200)):
            segments = len(list((graph.home / "audit").glob("*.jsonl")))
            with serving(graph.home, *options) as (address, _), httpx.Client(timeout=PATIENCE) as browser:
                browser.get(address)
                answer = browser.get(f"{address.partition('/enter')[0]}/api/approvals")
                assert answer.status_code == status
            assert len(list((graph.home / "audit").glob("*.jsonl"))) == segments, "looking writes nothing"
        assert answer.json()["total"] == 1
    assert verify_log(graph.home / "audit").ok


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--home", "."], "no governance home"),
        (["--as", "a\u200bb"], "visible name"),
        (["--policy", "one/b.yaml", "--policy", "two/b.yaml"], "two bundles are called b.yaml"),
        (["--policy", "bad.yaml"], "bad.yaml"),
        (["--key", "bad.yaml"], "not a public key"),
        (["--tls-cert", "bad.yaml"], "both"),
    ],
)
def test_options_that_make_no_sense_start_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "b.yaml").write_text(BUNDLE)
    (tmp_path / "bad.yaml").write_text("version: 7")
    refused = CliRunner().invoke(cli, ["serve", str(home), "--port", "0", "--cache", str(tmp_path / "c"), *options])
    assert refused.exit_code in (1, 2)
    assert told in refused.output


def test_a_port_that_is_taken_is_a_clear_error(home: Path) -> None:
    with closing(Binding().listen()) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match="cannot be listened on"):
            Binding(port=port).listen()
