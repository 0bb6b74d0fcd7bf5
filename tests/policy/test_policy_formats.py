"""Constraints that parse: what they accept, every consumer places inside the allowed set; hostile spellings fail."""

from __future__ import annotations

import email.utils
import functools
import ipaddress
import json
import posixpath
import shlex
from decimal import Decimal

import ada_url
import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_helpers import bundle, codes, request, rule

from aisecops_langchain.errors import PolicyError


def policy_for(constraint):
    return bundle([rule("r")], arguments={"x": constraint})


@functools.cache
def parsed(constraint: str):
    return policy_for(json.loads(constraint))


def accepted(constraint, value) -> bool:
    return parsed(json.dumps(constraint)).decide(request("act", {"x": value})).allowed


PATH = {"path_under": "/srv/data"}
URL = {
    "url": {"hosts": ["api.example.com", "*.cdn.example.com", "10.0.0.8"], "schemes": ["https"], "ports": [443, 8443]}
}
PUBLIC = {"url": {"hosts": ["*"], "schemes": ["http", "https"]}}
MAIL = {"email_domain": ["example.com", "*.eu.example.com"]}
SHELL = {"shell_words": ["ls", "git status"]}
SQL = {"sql": {"dialect": "postgres", "kinds": ["select"], "tables": ["orders", "shop.items"]}}
WRITE = {"sql": {"dialect": "postgres", "kinds": ["insert", "update"], "tables": ["orders"]}}
MONEY = {"money": {"currencies": ["EUR"], "min": "0.01", "max": "100"}}
SCHEMA = {
    "schema": {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/n"}},
        "additionalProperties": False,
        "$defs": {"n": {"type": "integer", "maximum": 5}},
    }
}

CASES = {
    "path": (
        PATH,
        ["/srv/data", "/srv/data/a/b.txt", "/srv/data/a/../b", "/srv/data/./x", "/srv/data/ä", ["/srv/data/a"], []],
        [
            *("/srv/database", "/srv/data/../x", "/etc/passwd", "data/x", "", "/srv/data/..", "//srv/data/x", "~/x"),
            *("/srv/data/%2e%2e/x", "/srv/data/%252e%252e/x", "/srv/data\\..\\..\\x", "/srv/data/..\\x", "C:/srv/data"),
            *(
                "/srv/data/a\0b",
                "/srv/data/\n",
                "\\\\host\\share",
                "/srv/data/．．/x",
                "/srv/data/.. /x",
                "/srv/data/...",
            ),
            *(
                "/srv/data/$HOME",
                "file:///srv/data/x",
                "/srv/data/a:stream",
                "/srv/data∕x",
                "/srv/data/‥/x",
                1,
                None,
                {},
            ),
            *(["/srv/data/a", "/etc/passwd"], [["/srv/data/a"]], "/srv/data/" + "a" * 1_000_000),
        ],
    ),
    "relative path": (
        {"path_under": "reports"},
        ["reports/a", "./reports/a", "x/../reports"],
        ["reports/../a", "/reports"],
    ),
    "url": (
        URL,
        [
            *(
                "https://api.example.com",
                "https://api.example.com?a=b#c",
                "https://api.example.com/@ann?to=bob@example.com#@",
                "https://API.example.com/a?b=c#d",
                "https://api.example.com:8443/",
                "HTTPS://a.cdn.example.com",
            ),
            ["https://api.example.com/1", "https://b.a.cdn.example.com/"],
        ],
        [
            *(
                "http://api.example.com",
                "https://cdn.example.com",
                "https://api.example.com:80",
                "https://api.example.com.",
            ),
            *(
                "https://user@api.example.com",
                "https://api.example.com@evil.test",
                "https://api.example.com#@evil.test/",
                "https://api.example.com?@evil.test/",
                "https://api.example.com:443?a=b@evil.test",
                "https://evil.test\\@api.example.com/",
            ),
            *(
                "https://api.example.com\\.evil.test",
                "https:/api.example.com",
                "https:api.example.com",
                "//api.example.com",
            ),
            *(
                "https://api.exa\tmple.com",
                " https://api.example.com",
                "https://api.example.com\n",
                "https://api%2eexample.com",
            ),
            *(
                "https://аpi.example.com",
                "https://api。example.com",
                "https://evil.test/#@api.example.com",
                "https://10.0.0.8",
            ),
            *(
                "javascript://api.example.com/%0aalert(1)",
                "https://api.example.com:0443",
                "https://api.example.com:",
                1,
                None,
            ),
            *(
                "https://[::1]",
                "https://evil.test?https://api.example.com",
                "https://api.example.com:443:80",
                "https://",
            ),
            "https://api.example.com/" + "a" * 1_000_000,
        ],
    ),
    "public url": (
        PUBLIC,
        ["http://example.com", "https://8.8.8.8/", "https://[2606:4700::1111]/"],
        [
            *(
                "http://127.0.0.1",
                "http://2130706433",
                "http://0x7f000001",
                "http://0177.0.0.1",
                "http://127.1",
                "http://0",
            ),
            *(
                "http://[::1]",
                "http://[::ffff:127.0.0.1]",
                "http://[::ffff:7f00:1]",
                "http://[::127.0.0.1]",
                "http://localhost",
            ),
            *(
                "http://169.254.169.254/latest",
                "http://192.168.0.1",
                "http://[fe80::1]",
                "http://[fe80::1%25eth0]",
                "http://[fc00::1]",
            ),
            *(
                "http://[64:ff9b::7f00:1]",
                "http://[2002:7f00:1::]",
                "http://printer",
                "http://db.internal",
                "http://a.localhost",
            ),
            *(
                "http://1.1.1.1.",
                "http://0x7f.1",
                "http://xn--pple-43d.com",
                "http://100.64.0.1",
                "http://224.0.0.1",
                "http://0.0.0.0",
            ),
            *("http://[fec0::1]", "http://[3fff::1]", "http://[64:ff9b:1::7f00:1]", "http://[5f00::1]"),
            *("http://[2a00:1450::5efe:7f00:1]", "http://[2a00:1450::200:5efe:a00:1]", "http://localhost.localdomain"),
            *(
                "http://kubernetes.default.svc",
                "http://kubernetes.default",
                "http://db.prod.svc.cluster",
                "http://x.consul",
            ),
            *("http://127.0.0.1.", "http://①②⑦.⓪.⓪.①", "http://[2606:4700:0:0::1111]", "http://example.com:22"),
        ],
    ),
    "mail": (
        MAIL,
        ["ann@example.com", "ann.lee+x@EXAMPLE.com", "a@de.eu.example.com", ["a@example.com", "b@example.com"]],
        [
            *(
                "ann@evil.test",
                "ann@example.com.evil.test",
                "ann@eu.example.com",
                "ann@example.com,eve@evil.test",
                "@example.com",
            ),
            *(
                "Ann <ann@example.com>",
                '"ann@evil.test"@example.com',
                "ann(x)@example.com",
                "ann@evil.test@example.com",
            ),
            *(
                "ann@exаmple.com",
                "ａnn@example.com",
                "ann@example。com",
                "ann@example.com\n",
                "ann@example.com\r\nBcc: e@evil.test",
            ),
            *(
                "ann@[127.0.0.1]",
                "ann@example.com.",
                "a..b@example.com",
                ".a@example.com",
                "a.@example.com",
                "-oQ@example.com",
            ),
            *(
                "ann%evil.test@example.com",
                "evil.test!ann@example.com",
                "ann@example.com;eve@evil.test",
                "a b@example.com",
                None,
            ),
            *(["ann@example.com", "eve@evil.test"], ["ann@example.com", 1], "a" * 1_000_000 + "@example.com"),
        ],
    ),
    "shell": (
        SHELL,
        ["ls", "ls -la /tmp", "git status --short", "ls 'a b;c'"],
        [
            *(
                "rm -rf /",
                "ls; rm x",
                "ls && rm",
                "ls | sh",
                "ls $(id)",
                "ls `id`",
                "ls > /etc/x",
                "ls\nrm x",
                "ls *",
                "ls ~",
                "git push",
            ),
            *(
                "ls {a,b}",
                "ls \\; rm",
                'ls "$HOME"',
                "ls 'a",
                "lsof",
                "A=1 ls",
                " ls",
                "ls #x",
                "ls !x",
                "ls ?",
                "ls [a]",
                "",
                "git",
                "ls\tx",
            ),
            *("ls & rm", "ls\0", "ls 'a\nb'", "/bin/ls", "git  push", "ls ；rm", None, "ls " + "a" * 1_000_000),
        ],
    ),
    "sql": (
        SQL,
        [
            "select * from orders",
            "SELECT count(*), lower(a) FROM shop.items WHERE b IN (1, 2) AND c LIKE 'x%' ORDER BY a LIMIT 5",
            "select a from orders union select b from orders where exists (select 1 from orders)",
        ],
        [
            *(
                "delete from orders",
                "select * from users",
                "select 1; drop table orders",
                "drop table orders",
                "not sql at all",
            ),
            *(
                "select pg_read_file('/etc/passwd')",
                "select * into t from orders",
                "select * from orders -- x",
                "select /*!1*/ 1",
            ),
            *("with orders as (select * from users) select * from orders", "select * from orders for update"),
            *(
                "select a from orders where b = (select max(x) from users)",
                "copy orders to '/tmp/x'",
                "explain analyze delete from orders",
            ),
            *(
                "select * from shop.orders",
                'select * from "shop.items"',
                "select * from other.shop.items",
                "select nextval('x')",
                "select * from read_csv('/etc/passwd')",
            ),
            *(
                "select 'a\\'; drop table orders",
                "",
                None,
                "select " + "(" * 5_000,
                "select * from orders where a = $$x$$",
                "select dblink('x')",
            ),
            "select * from orders where a in (" + "1," * 500_000 + "1)",
        ],
    ),
    "sql writing": (
        WRITE,
        ["insert into orders (a) values (1)", "update orders set a = 1 where b = 2"],
        [
            "insert into orders select * from users",
            "select 1",
            "update users set a = 1",
            "insert into orders (a) values (1) on conflict do nothing",
            "insert overwrite orders select * from orders",
        ],
    ),
    "sql replacing": (
        {"sql": {"dialect": "sqlite", "kinds": ["insert", "update", "delete"], "tables": ["orders"]}},
        ["insert into orders values (1) returning a", "delete from orders where a = 1", "update orders set a = 1"],
        [
            "insert or replace into orders values (1)",
            "insert or ignore into orders values (1)",
            "replace into orders values (1)",
        ],
    ),
    "money": (
        MONEY,
        ["EUR 12.30", "100 EUR", "0.01 EUR"],
        [
            *(
                "USD 1",
                "EUR 100.01",
                "EUR 0",
                "EUR -1",
                "EUR 1e1",
                "EUR NaN",
                "EUR Infinity",
                "EUR 1,000",
                "EUR 1.234",
                "12.30",
            ),
            *(
                "EUR ١",
                "ＥUR 1",
                "EUR 01",
                "EUR  1",
                "EUR 1 ",
                "EUR 1\n",
                "eur 1",
                "EUR 1 EUR",
                "EUR +1",
                "EUR 1.",
                "€1",
                5,
                True,
                None,
            ),
            "EUR " + "9" * 1_000_000,
        ],
    ),
    "decimal": (
        {"decimal": {"min": "-5", "max": "5", "scale": 1}},
        ["0.5", "-5"],
        ["5.1", "0.55", "nan", "1_0", "0x1", 1, 10**18],
    ),
    "bytes": ({"max_bytes": 4}, ["abcd", "ää"], ["äää", "abcde", 1, None, ["a"]]),
    "items": ({"min_items": 1}, [[1]], [[], "a"]),
    "schema": (SCHEMA, [{}, {"a": 5}], [{"a": 6}, {"a": "5"}, {"b": 1}, [], None, "x", {"a": 2**63}, {"a": 1.5}]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_format_takes_the_good_and_refuses_the_hostile(case):
    constraint, good, bad = CASES[case]
    policy = policy_for(constraint)
    taken = [policy.decide(request("act", {"x": value})) for value in good]
    assert [value for value, decision in zip(good, taken, strict=True) if not decision.allowed] == []
    for value in bad:
        decision = policy.decide(request("act", {"x": value}))
        assert not decision.allowed, value
        assert codes(decision) == ["argument_constraint"]
        assert decision.reasons[0].message == f"do: argument 'x' violates {next(iter(constraint))}"
    assert not policy.decide(request("act", {})).allowed


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        ({"path_under": "../x"}, "path_under takes normalised paths"),
        ({"path_under": []}, "path_under takes text or a list of texts that is not empty"),
        ({"url": {"hosts": ["EXAMPLE.com"]}}, "lower-case ASCII name"),
        ({"url": {"hosts": []}}, "url: hosts"),
        ({"url": {"hosts": ["*", "a.b"]}}, r"\* alone"),
        ({"url": {"hosts": ["2130706433"]}}, "canonical address"),
        ({"url": {"hosts": ["*.com"]}}, "lower-case ASCII name"),
        ({"url": {"hosts": ["a.b"], "schemes": ["javascript"]}}, "a scheme must be one of"),
        ({"url": {"hosts": ["a.b"], "host": "x"}}, "Extra inputs"),
        ({"url": "a.b"}, "url takes a mapping with schemes, hosts"),
        ({"email_domain": "exämple.com"}, "lower-case ASCII domains"),
        ({"shell_words": "ls; rm"}, "commands of plain words"),
        ({"sql": {"dialect": "postgres", "kinds": ["drop"], "tables": ["a"]}}, "must be some of select"),
        ({"sql": {"dialect": "cobol", "kinds": ["select"], "tables": ["a"]}}, "must be one of postgres"),
        ({"money": {"currencies": ["EUR"], "min": "2", "max": "1"}}, "min is above max"),
        ({"money": {"currencies": ["EUR"], "min": "NaN", "max": "1"}}, "money: min"),
        ({"schema": {"$ref": "https://evil.test/schema"}}, "others are refused"),
        ({"schema": {"properties": {"a": {"$ref": "#"}}}}, "others are refused"),
        ({"schema": {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}}, "schema is recursive"),
        ({"schema": {"$dynamicRef": "#x"}}, "dynamicRef, which is refused"),
        ({"schema": {"type": "nonsense"}}, "not a sound JSON Schema"),
        (
            {
                "schema": {
                    "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 4} for n in range(9)}
                    | {"d9": {"type": "null"}}
                }
            },
            "unfolded",
        ),
        ({"urll": {}}, "unknown constraint 'urll'; did you mean 'url'"),
    ],
)
def test_a_bad_operand_is_refused_with_its_line(constraint, said):
    with pytest.raises(PolicyError, match=said) as caught:
        policy_for(constraint)
    assert caught.value.line == 1


def test_constraints_that_contradict_each_other_are_found_through_formats_too():
    with pytest.raises(PolicyError, match="no value of 'x'"):
        policy_for({**URL, "one_of": ["https://evil.test/"]})


HOSTS = st.sampled_from(
    [
        "api.example.com",
        "evil.test",
        "a.cdn.example.com",
        "127.0.0.1",
        "8.8.8.8",
        "[::1]",
        "0x7f.1",
        "10.0.0.8",
        "user",
        "2130706433",
    ]
)
GLUE = st.sampled_from(
    [
        "https://",
        "http://",
        "//",
        "/",
        "\\",
        "@",
        ":",
        "443",
        "8443",
        "#",
        "?",
        ".",
        "%2e",
        "\t",
        "xn--",
        "[",
        "]",
        "。",
        "ℓ",
        "..",
        "a",
    ]
)
urls = (
    st.lists(HOSTS | GLUE, min_size=1, max_size=7)
    .map("".join)
    .flatmap(lambda text: st.sampled_from([text, "https://" + text]))
)


@settings(max_examples=400, deadline=None)
@given(value=urls)
def test_law_what_url_accepts_other_parsers_place_at_an_allowed_host(value):
    for constraint, allowed in ((URL, ("api.example.com", ".cdn.example.com")), (PUBLIC, None)):
        if not accepted(constraint, value):
            continue
        hosts = {(urllib3.util.parse_url(value).host or "").strip("[]"), ada_url.URL(value).hostname.strip("[]")}
        assert len(hosts) == 1
        host = hosts.pop()
        if allowed is not None:
            assert host.endswith(allowed)
        elif host.replace(".", "").isdigit() or ":" in host:
            assert ipaddress.ip_address(host).is_global


PARTS = st.sampled_from(
    ["/", "..", ".", "srv", "data", "a", " ", "%2e", "\\", "//", "~", "．", "...", "reports", "\0", ":"]
)


@settings(max_examples=400, deadline=None)
@given(
    value=st.lists(PARTS, max_size=9).map("".join)
    | st.lists(PARTS, max_size=6).map(lambda parts: "/srv/data/" + "/".join(parts))
)
def test_law_what_path_under_accepts_normalises_below_the_root(value):
    if accepted(PATH, value):
        assert posixpath.commonpath(["/srv/data", posixpath.normpath(value)]) == "/srv/data"


MAILS = st.sampled_from(
    ["ann", "@", "example.com", "evil.test", "<", ">", ",", '"', "(", ")", " ", ".", "\n", ":", ";", "\\", "а", "+"]
)


@settings(max_examples=400, deadline=None)
@given(
    value=st.lists(MAILS, max_size=8).map("".join)
    | st.lists(MAILS, max_size=4).map(lambda parts: "".join(parts) + "@example.com")
)
def test_law_what_email_domain_accepts_is_one_address_there(value):
    if accepted(MAIL, value):
        assert [address for _, address in email.utils.getaddresses([value])] == [value]
        assert value.rpartition("@")[2].lower().endswith("example.com")


WORDS = st.sampled_from(
    ["ls", "git", "status", " ", "'", '"', ";", "$", "(", "\\", "\n", "*", "a", "-l", "#", "&", "=", "rm"]
)


@settings(max_examples=400, deadline=None)
@given(
    value=st.lists(WORDS, max_size=8).map("".join)
    | st.lists(WORDS, max_size=6).map(lambda parts: "ls " + "".join(parts))
)
def test_law_what_shell_words_accepts_is_one_allowed_command(value):
    if accepted(SHELL, value):
        lexer = shlex.shlex(value, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        assert words == shlex.split(value)
        assert words[0] == "ls" or words[:2] == ["git", "status"]


@settings(max_examples=200, deadline=None)
@given(
    value=st.decimals(allow_nan=True, allow_infinity=True).map(str)
    | st.from_regex(r"-?[0-9.eE+_]{1,9}", fullmatch=True)
)
def test_law_what_money_accepts_is_within_bounds(value):
    if accepted(MONEY, f"EUR {value}"):
        assert Decimal("0.01") <= Decimal(value) <= 100
