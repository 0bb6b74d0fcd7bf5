"""By what the rows of one run are found without reading those of all others.

Invariant: the mark is taken from a row's sealed body itself, never from a column beside it, so that nothing edited
next to a row hides it. It is no more than a filter: whoever finds a row by it still opens it and looks at the scope.
"""

from __future__ import annotations

from typing import Final

import orjson

_FIELD: Final = b'"trace":"'


def mark_of(trace: str) -> bytes:
    """Return what the body of a row of a run holds as its first trace, up to the first quotation mark.

    Args:
        trace: The run.
    """
    return orjson.dumps(trace)[1:].partition(b'"')[0]


def marked(body: bytes) -> bytes | None:
    """Return the mark of a row; databases find the same one in words of their own.

    Args:
        body: The row's JSON; a quotation mark inside of any of its texts is escaped, so the field is not forged by one.
    """
    _, found, rest = body.partition(_FIELD)
    return rest.partition(b'"')[0] if found else None
