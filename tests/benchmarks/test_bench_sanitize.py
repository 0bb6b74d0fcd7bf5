"""How fast texts are inspected, side by side; run on demand."""

from __future__ import annotations

import base64
import random
import time

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.sanitize import Sanitizer

SIZE = 2048
PROSE = (
    "The hotel lies at the edge of the old town, ten minutes from the station. Breakfast is served from seven to ten, "
    "and the garden is open until dusk. Guests who arrive late should ring the bell at the side door. "
) * 12
BINARY = base64.encodebytes(random.Random(1).randbytes(SIZE)).decode()
TEXTS = {
    "prose": PROSE[:SIZE],
    "wrapped": "\n".join(PROSE[at : at + 76] for at in range(0, SIZE, 77))[:SIZE],
    "accents": PROSE.replace("station", "Straße über")[:SIZE],
    "html": "".join(f"<p class='a'>{PROSE[:150]} &amp; more</p>\n" for _ in range(20))[:SIZE],
    "base64 of text": f"{PROSE[:500]} {base64.b64encode(PROSE.encode()).decode()}"[:SIZE],
    "base64 of bytes": BINARY[:SIZE],
}


def test_megabytes_a_second_end_to_end(capsys):
    """On one core; the shares are what a change should be judged by."""
    sanitizer = Sanitizer()
    rates = {name: _rate(sanitizer, text) for name, text in TEXTS.items()}
    with capsys.disabled():
        for name, rate in rates.items():
            print(f"\n{name:16} {rate:6.1f} MB/s  {rate / rates['prose']:5.2f} of prose", end="")
    assert all(rates.values())


def _rate(sanitizer, text):
    for _ in range(20):
        sanitizer.sanitize_text(text, channel=SourceKind.TOOL_RESULT)
    start = time.process_time()
    for _ in range(300):
        sanitizer.sanitize_text(text, channel=SourceKind.TOOL_RESULT)
    return 300 * len(text) / (time.process_time() - start) / 1e6
