"""Live updates: server-sent events that say what to ask for again.

Invariant: a stream tells only of runs that its caller may see, ends when the caller's session does, and there are never
more than ``MOST_STREAMS``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from time import monotonic
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from aisecops_langchain.web.access import Caller
from aisecops_langchain.web.bulletin import Bulletin, News, Topic
from aisecops_langchain.web.refusals import BusyError
from aisecops_langchain.web.site import Site, caller_of, session_of, site_of

MOST_STREAMS: Final = 64
_PAUSE_SECONDS: Final = 0.5
_HEARTBEAT_SECONDS: Final = 15.0
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_MOST_RUNS: Final = 100
"""Runs that one event names; a page that hears of more asks for its list again anyway."""


class Streams:
    """Counts the streams that are open."""

    def __init__(self) -> None:
        self.open = 0
        self.closing = False


async def live(request: Request) -> Response:
    """Send an event whenever runs, approvals or the standing of the log changed."""
    streams: Streams = request.app.state.streams
    if streams.open >= MOST_STREAMS:
        raise BusyError("too many pages are open", expected=f"at most {MOST_STREAMS}", remedy="close some")
    return StreamingResponse(_events(request, streams), media_type="text/event-stream")


async def _events(request: Request, streams: Streams) -> AsyncIterator[bytes]:
    site, caller = site_of(request), caller_of(request)
    bulletin: Bulletin = site.library.bulletin
    heard, quiet = _heard(request, bulletin.last()), monotonic()
    streams.open += 1
    try:
        yield b"retry: 2000\n\n"
        while not streams.closing and _may_stay(request, site):
            for news in bulletin.since(heard):
                heard = news.number
                if (text := told(news, caller)) is not None:
                    yield text
                    quiet = monotonic()
            if monotonic() - quiet > _HEARTBEAT_SECONDS:
                yield b": still here\n\n"
                quiet = monotonic()
            await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        streams.open -= 1


def _heard(request: Request, last: int) -> int:
    """Tell which news a page knows already: from when it was made, or from the stream that broke off."""
    again = request.headers.get("last-event-id", "")
    text = again or request.query_params.get("after", "")
    if not _NUMBER.fullmatch(text):
        return last
    return int(text) if int(text) <= last else 0  # another server's number: whatever there is may be new


def told(news: News, caller: Caller) -> bytes | None:
    """Write a piece of news as an event.

    Args:
        news: The news.
        caller: Who hears it.

    Returns:
        The event, or None where it is about nothing that the caller may see.
    """
    runs = [trace for trace, tenants in news.runs.items() if all(caller.sees(tenant) for tenant in tenants)]
    if news.topic is not Topic.STANDING and not runs:
        return None
    body = orjson.dumps({"runs": runs[-_MOST_RUNS:], "more": len(runs) > _MOST_RUNS})
    return b"event: %s\nid: %d\ndata: %s\n\n" % (news.topic.value.encode(), news.number, body)


def _may_stay(request: Request, site: Site) -> bool:
    session = session_of(request)
    return session is None or site.access.is_open(session)
