"""Cleaning and inspecting untrusted text before it reaches a model, and values before they reach the log.

Invariant: everything here is a function of its input and its configuration; nothing reads a clock, the network or a
file beyond its own rule pack.
"""

from __future__ import annotations

from aisecops_langchain.sanitize.config import CATEGORIES, Action, SanitizeConfig, SeverityActions
from aisecops_langchain.sanitize.detect import Detector, HiddenTextDetector, RuleDetector
from aisecops_langchain.sanitize.finding import Finding, Severity
from aisecops_langchain.sanitize.outcome import Sanitized, SanitizedValue
from aisecops_langchain.sanitize.pii import PiiRedactor
from aisecops_langchain.sanitize.pipeline import Sanitizer
from aisecops_langchain.sanitize.private import Veil, class_name
from aisecops_langchain.sanitize.rules import Rule, RulePack, core_rules, load_rules
from aisecops_langchain.sanitize.scrub import scrub_value, withheld
from aisecops_langchain.sanitize.spotlight import Frame, choose_frame
from aisecops_langchain.sanitize.values import content_text

__all__ = [
    "CATEGORIES",
    "Action",
    "Detector",
    "Finding",
    "Frame",
    "HiddenTextDetector",
    "PiiRedactor",
    "Rule",
    "RuleDetector",
    "RulePack",
    "SanitizeConfig",
    "Sanitized",
    "SanitizedValue",
    "Sanitizer",
    "Severity",
    "SeverityActions",
    "Veil",
    "choose_frame",
    "class_name",
    "content_text",
    "core_rules",
    "load_rules",
    "scrub_value",
    "withheld",
]
