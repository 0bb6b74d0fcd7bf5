"""How pages say times, states and addresses."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from aisecops_langchain.web.pages.given import parameters_of
from aisecops_langchain.web.wording import kind_tone, link, moment, percent, seconds, tone, took, words


@given(st.text(min_size=1), st.text(min_size=1))
def test_whatever_an_id_holds_an_address_keeps_it_as_a_parameter(trace: str, event: str) -> None:
    address = link("/event", trace=trace, event=event)
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("", "", "/event", "")
    assert address.isascii()
    assert address.isprintable()
    assert parse_qsl(parts.query, keep_blank_values=True) == [("trace", trace), ("event", event)]


def test_an_address_leaves_out_what_says_nothing_and_keeps_what_it_is_told_to() -> None:
    assert link("/") == "/"
    assert link("/", {"agent": "a b", "offset": 0}, offset=50, text="", user=None) == "/?agent=a+b&offset=50"


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (0, "0 ms"),
        (0.4, "0.4 ms"),
        (999, "999 ms"),
        (1_500, "1.5 s"),
        (119_000, "119.0 s"),
        (120_000, "2.0 min"),
        (7_200_000, "2.0 h"),
        (172_800_000, "2.0 days"),
        (-2_000, "-2.0 s"),
    ],
)
def test_durations_come_in_the_unit_that_suits_them(milliseconds: float, said: str) -> None:
    assert took(milliseconds) == said
    assert seconds(milliseconds / 1_000) == said


def test_what_is_not_known_is_a_dash() -> None:
    assert (seconds(None), percent(None), percent(0.5)) == ("-", "-", "50.0%")


def test_times_are_told_in_utc() -> None:
    there = timezone(timedelta(hours=2))
    assert moment(datetime(2026, 3, 1, 1, 30, tzinfo=there)) == "2026-02-28 23:30:00"


@pytest.mark.parametrize(
    ("state", "colour"),
    [("allow", "good"), ("require_approval", "warn"), ("deny", "bad"), ("untrusted", "bad"), ("never heard of", "")],
)
def test_states_have_a_colour_and_strange_ones_have_none(state: str, colour: str) -> None:
    assert tone(state) == colour


def test_what_was_refused_or_went_wrong_stands_out_in_the_timeline() -> None:
    kinds = ("capability_blocked", "execution_failed", "approval_requested", "content_sanitized", "run_started")
    assert [kind_tone(kind) for kind in kinds] == ["bad", "bad", "warn", "warn", ""]
    assert words("require_approval") == "require approval"


def test_a_day_is_its_beginning_in_utc_and_the_open_event_is_no_filter() -> None:
    query = b"since=2026-03-01&until=2026-03-02T10:00Z&agent=&text=2026-03-01&event=e&of=t"
    request = Request({"type": "http", "query_string": query, "headers": []})
    assert parameters_of(request).multi_items() == [
        ("since", "2026-03-01T00:00:00Z"),
        ("until", "2026-03-02T10:00Z"),
        ("text", "2026-03-01"),
    ]
