"""Whether lines are events of this schema, without validating again what was validated in a line like them.

Invariant: a line passes exactly if ``parse_body`` reads it. It is spared that only if it is, byte for byte, a line that
was read, but for its id, run, thread, time, the ids before it, and hexadecimal digits of ids and digests, of which the
schema asks nothing but that they are text; the time is read again.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from aisecops_langchain.audit.alike import HEX, TEXT, Alike, Spans, with_others
from aisecops_langchain.audit.lines import split_line
from aisecops_langchain.audit.reader import parse_body
from aisecops_langchain.audit.records import SegmentClosed, SegmentOpened, SegmentRecord
from aisecops_langchain.errors import AuditFormatError

_HEAD: Final = re.compile(
    rb'\{"seq":[0-9]{1,16},"prev":"[0-9a-f]{64}"(?P<kind>,"v":1,"kind":"[a-z_]{1,64}"),"id":"(?P<id>%(t)s)",'
    rb'"time":"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?)Z",'
    rb'"trace":"(?P<trace>%(t)s)","thread":"(?P<thread>%(t)s)","checkpoint_ns":"(?P<ns>%(t)s)",'
    rb'"parents":\[(?:"(?P<first>%(t)s)"(?:,"%(t)s")*)?\]' % {b"t": TEXT}
)
_TEXTS: Final = ("id", "trace", "thread", "ns", "first")
_DIGITS: Final = re.compile(
    rb'"(?:digest|plan|call|call_id|permit|approval|run|parent_run|input_digest|output_digest)":'
    rb'"(?:sha256:)?([0-9a-f]{32,64})"(?=[,}\]])'
)


class SoundEvents:
    """Reads lines; made for one pass over a log."""

    def __init__(self) -> None:
        self._alike: Alike[bytes] = Alike(HEX)

    def read(self, line: bytes) -> SegmentRecord | None:
        """Read what a line says.

        Args:
            line: A line with a place in a chain.

        Returns:
            A segment's own record; ``None`` for an event.

        Raises:
            AuditFormatError: If it is neither.
        """
        head = _HEAD.match(line)
        if head is not None and self._alike.find(line[head.end() :]) == head["kind"] and _is_time(head["time"]):
            return None
        content = _content(line)
        if isinstance(content, SegmentOpened | SegmentClosed):
            return content
        if head is not None and self._alike.is_worth_a_try():
            self._learn(line, head)
        return None

    def _learn(self, line: bytes, head: re.Match[bytes]) -> None:
        start = head.end()
        rest = line[start:]
        spans: Spans = tuple(item.span(1) for item in _DIGITS.finditer(rest))
        texts = [head.span(name) for name in _TEXTS if head[name] is not None]
        try:
            _content(with_others(line, [*texts, *((start + begin, start + end) for begin, end in spans)]))
        except AuditFormatError:
            return
        self._alike.learn(rest, spans, head["kind"])


def _content(line: bytes) -> object:
    parts = split_line(line)
    if parts is None:
        raise AuditFormatError("line has no place in the chain", expected="a chained event or segment record")
    return parse_body(parts.body)


def _is_time(text: bytes) -> bool:
    try:
        datetime.fromisoformat(text.decode())
    except ValueError:
        return False
    return True
