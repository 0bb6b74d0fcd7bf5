"""Live updates tell what to ask for again, to whom it may concern, and end when they should."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from cli_logs import write_log
from starlette.requests import Request
from trace_factory import allowed_story
from web_kit import CALLERS, TOKEN, site_over

from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.web import live
from aisecops_langchain.web.app import make_app
from aisecops_langchain.web.bulletin import Bulletin, News, Topic
from aisecops_langchain.web.live import Streams, told
from aisecops_langchain.web.longwork import LongWork
from aisecops_langchain.web.refusals import BusyError, NotFoundError
from aisecops_langchain.web.site import Site

RUNS = {"ours": frozenset({"acme"}), "both": frozenset({"acme", "other"})}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_over(write_log(tmp_path / "audit", allowed_story().events))


def test_news_are_told_of_runs_that_the_caller_may_see() -> None:
    news = News(7, Topic.CHANGED, RUNS)
    assert told(news, CALLERS[TOKEN]) == b'event: changed\nid: 7\ndata: {"runs":["ours","both"],"more":false}\n\n'
    assert told(news, CALLERS["of-acme"]) == b'event: changed\nid: 7\ndata: {"runs":["ours"],"more":false}\n\n'
    assert told(news, CALLERS["of-other"]) is None
    assert told(News(8, Topic.APPROVALS, RUNS), CALLERS["of-other"]) is None
    assert told(News(9, Topic.STANDING, {}), CALLERS["of-other"]) is not None


def test_an_id_cannot_end_an_event_and_begin_another() -> None:
    text = told(News(1, Topic.CHANGED, {"x\n\nevent: standing\ndata: forged": frozenset()}), CALLERS[TOKEN])
    assert text is not None
    assert text.count(b"\n\n") == 1
    assert text.count(b"event:") == 2, "one of them inside the JSON text"
    assert len(text.splitlines()) == 4


def test_of_very_many_runs_some_are_named() -> None:
    text = told(News(1, Topic.CHANGED, {f"run-{number}": frozenset() for number in range(500)}), CALLERS[TOKEN])
    assert text is not None
    assert text.count(b"run-") == 100
    assert b'"more":true' in text


def request_of(
    site: Site, token: str, streams: Streams, *, query: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = ()
) -> Request:
    app = make_app(site, hosts=[])
    app.state.streams = streams
    where = {"type": "http", "path": "/api/live", "query_string": query, "headers": headers}
    return Request({**where, "app": app, "aisecops.caller": CALLERS[token]})


async def test_a_stream_ends_with_the_session_it_was_begun_in(site: Site) -> None:
    streams, session = Streams(), site.access.enter(TOKEN)
    assert session is not None
    request = request_of(site, TOKEN, streams)
    request.scope["aisecops.session"] = session
    stream = (await live.live(request)).body_iterator  # type: ignore[attr-defined]
    assert await anext(stream) == b"retry: 2000\n\n"
    assert streams.open == 1
    site.library.bulletin.post(Topic.STANDING)
    assert b"event: standing" in await anext(stream)
    site.access.leave(session)
    assert [item async for item in stream] == []
    assert streams.open == 0


@pytest.mark.parametrize(
    ("query", "headers", "first"),
    [
        (b"after=1", [], b"id: 2\n"),
        (b"after=0", [(b"last-event-id", b"2")], b"id: 3\n"),  # a stream that broke off goes on where it was
        (b"after=99", [], b"id: 1\n"),  # the number of a server that ran before
    ],
)
async def test_a_stream_begins_where_the_page_stands(
    site: Site, query: bytes, headers: list[tuple[bytes, bytes]], first: bytes
) -> None:
    for _ in range(3):
        site.library.bulletin.post(Topic.STANDING)
    request = request_of(site, TOKEN, Streams(), query=query, headers=headers)
    stream = (await live.live(request)).body_iterator  # type: ignore[attr-defined]
    await anext(stream)
    assert first in await anext(stream)
    await stream.aclose()


async def test_without_a_number_only_what_comes_is_told(site: Site) -> None:
    site.library.bulletin.post(Topic.STANDING)
    stream = (await live.live(request_of(site, TOKEN, Streams(), query=b"after=x"))).body_iterator  # type: ignore[attr-defined]
    await anext(stream)
    site.library.bulletin.post(Topic.STANDING)
    assert b"id: %d\n" % site.library.bulletin.last() in await anext(stream)
    await stream.aclose()


async def test_streams_end_with_the_server(site: Site) -> None:
    streams = Streams()
    stream = (await live.live(request_of(site, TOKEN, streams))).body_iterator  # type: ignore[attr-defined]
    await anext(stream)
    streams.closing = True
    assert [item async for item in stream] == []


async def test_there_are_never_more_than_so_many_streams(site: Site) -> None:
    streams = Streams()
    opened = [
        (await live.live(request_of(site, TOKEN, streams))).body_iterator  # type: ignore[attr-defined]
        for _ in range(live.MOST_STREAMS)
    ]
    await asyncio.gather(*(anext(stream) for stream in opened))
    with pytest.raises(BusyError):
        await live.live(request_of(site, TOKEN, streams))
    await opened[0].aclose()
    await live.live(request_of(site, TOKEN, streams))


def test_looking_posts_what_changed(site: Site) -> None:
    heard = site.library.bulletin.last()
    write_log(site.library.log, allowed_story("new").events)
    site.library.look()
    news = {item.topic: item.runs for item in site.library.bulletin.since(heard)}
    assert news[Topic.CHANGED] == {"new": frozenset({"acme"})}
    heard = site.library.bulletin.last()
    site.library.look()
    assert site.library.bulletin.since(heard) == ()


def test_a_bulletin_keeps_the_latest_and_no_more() -> None:
    bulletin = Bulletin()
    for _ in range(1500):
        bulletin.post(Topic.STANDING)
    assert [bulletin.since(0)[0].number, bulletin.last()] == [501, 1500]


def test_long_work_is_begun_once_and_given_under_its_key() -> None:
    work, begun = LongWork(), []

    def count() -> int:
        begun.append(1)
        return len(begun)

    assert [work.result("a", count), work.result("a", count), work.result("b", count)] == [1, 1, 2]
    work.close()


def test_work_that_failed_is_begun_again() -> None:
    work, begun = LongWork(), []

    def fails_once() -> str:
        begun.append(1)
        if len(begun) == 1:
            raise NotFoundError("not there yet")
        return "there"

    with pytest.raises(AisecopsError):
        work.result("a", fails_once)
    assert work.result("a", fails_once) == "there"
    work.close()


def test_too_much_work_is_refused_and_what_is_not_done_yet_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from aisecops_langchain.web import longwork

    monkeypatch.setattr(longwork, "_WAIT_SECONDS", 0.01)
    work, go = LongWork(), threading.Event()
    for number in range(longwork._MOST_WAITING):
        assert work.result(number, go.wait) is None
    with pytest.raises(BusyError):
        work.result("one more", go.wait)
    assert work.result(0, go.wait) is None, "what was begun may still be asked for"
    go.set()
    work.close()
    assert work.result(0, go.wait) is True
