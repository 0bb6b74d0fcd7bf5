"""Where content and arguments came from (the policy information point of NIST SP 800-162).

Invariant: trust is only ever shown, never assumed: content without a valid seal is untrusted, and an argument that
is not found in trusted content takes the label of the whole context.
"""

from aisecops_langchain.provenance.attribution import LabelledText, attribute
from aisecops_langchain.provenance.messages import UNKNOWN_SENDER, Carried, MessageSeals
from aisecops_langchain.provenance.seals import LabelSeals, SealedLabel

__all__ = ["UNKNOWN_SENDER", "Carried", "LabelSeals", "LabelledText", "MessageSeals", "SealedLabel", "attribute"]
