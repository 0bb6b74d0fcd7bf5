"""Where content and arguments came from (the policy information point of NIST SP 800-162).

Invariant: trust is only ever shown, never assumed: content without a valid seal is untrusted, and an argument that
is not found in trusted content takes the label of the whole context.
"""

from aisecops_langchain.provenance.attribution import attribute, attribute_in
from aisecops_langchain.provenance.fields import FieldValue, fields_of, structured
from aisecops_langchain.provenance.index import ContentIndex, LabelledText
from aisecops_langchain.provenance.messages import UNKNOWN_SENDER, Carried, MessageSeals
from aisecops_langchain.provenance.named import only_values
from aisecops_langchain.provenance.scope import (
    KeywordScope,
    ScopedTool,
    ScopeExtractor,
    VaryingScopeExtractor,
    scope_of,
    unquoted,
)
from aisecops_langchain.provenance.seals import LabelSeals, Opened, SealedLabel

__all__ = [
    "UNKNOWN_SENDER",
    "Carried",
    "ContentIndex",
    "FieldValue",
    "KeywordScope",
    "LabelSeals",
    "LabelledText",
    "MessageSeals",
    "Opened",
    "ScopeExtractor",
    "ScopedTool",
    "SealedLabel",
    "VaryingScopeExtractor",
    "attribute",
    "attribute_in",
    "fields_of",
    "only_values",
    "scope_of",
    "structured",
    "unquoted",
]
