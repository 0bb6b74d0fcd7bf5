"""What no data has a reason to hold, in whatever language: control tokens of models, and packed or active payloads.

Invariant: these rules look at form only. Packed payloads are reported and never unpacked.
"""

from __future__ import annotations

from typing import Final

from aisecops_langchain.sanitize.finding import Severity
from aisecops_langchain.sanitize.rules import Rule

STRUCTURE_RULES: Final = (
    Rule(
        id="role-token",
        category="role_token",
        severity=Severity.MEDIUM,
        description="A control token by which chat templates mark whose turn it is.",
        patterns=(
            r"<\|[a-z0-9_:.\x20-]{1,40}\|>",
            r"<(?:start|end)_of_(?:turn|image)>|<(?:bos|eos|pad|unk)>|\[/?(?:INST|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS)\]",
            r"<</?SYS>>|</?(?:antml:)?(?:function_calls|invoke|function_results|tool_call|tool_response)(?:\s[^<>]{0,200})?>",
            r"(?:^|\n)(?:Human|User): [^\n]{1,500}\n{1,3}(?:Assistant|AI|Model): ",
        ),
        match=("<|im_start|>system", "<start_of_turn>user", "[/INST]", "<|START_OF_TURN_TOKEN|>", "<tool_call>"),
        no_match=("a <| b |> c", "the [installation] chapter", "<toolbar>", "x |> f <| y"),
    ),
    Rule(
        id="packed-payload",
        category="encoding",
        severity=Severity.MEDIUM,
        description="Compressed or archived data in base64 or hexadecimal digits, which is not looked into.",
        patterns=(
            r"(?-i:(?:^|[^A-Za-z0-9+/])(?:H4sIA|UEsDB[ABC]|QlpoO|/Td6WFoA|KLUv/[QRSTUWZ]|N3q8rycc|UmFyIRoH)[\w+/=\r\n-]{24,})",
            r"(?:^|[^0-9a-f])(?:1f8b08|504b0304|425a68|fd377a585a|28b52ffd|377abcaf271c)[0-9a-f]{32,}",
        ),
        match=(
            "H4sIAAAAAAAAA8tIzcnJVyjPL8pJUVQoSy0qzszPAwBBaHDAFQAAAA==",
            "1f8b0800000000000003cb48cdc9c95728cf2fca4951",
        ),
        no_match=("H4sI is how gzip starts in base64", "UEsDBA"),
    ),
    Rule(
        id="active-data-url",
        category="active_content",
        severity=Severity.MEDIUM,
        description="A data URL that a browser would run.",
        patterns=(
            r"data:(?:text/html|text/javascript|application/(?:x-)?(?:javascript|xhtml\+xml)|image/svg\+xml)[^\s\"'<>)]{8,}",
        ),
        match=("data:text/html;base64,PHNjcmlwdD4=", "data:text/html,%3Cscript%3E"),
        no_match=("data:image/png;base64,iVBORw0KGgo=", "The data: text/html pages"),
    ),
)
"""Rules of form, which every sanitizer has beside its packs."""
