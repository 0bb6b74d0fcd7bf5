"""The policy decision point: strict YAML bundles, compiled, deny by default, independent of the order of rules.

Invariant: pure decisions over frozen data; nothing here performs I/O except reading the bundle's file once.
"""

from aisecops_langchain.policy.cases import Case, CaseResult, Question, load_cases, parse_cases, run_case
from aisecops_langchain.policy.difference import Difference, difference
from aisecops_langchain.policy.engine import Policy
from aisecops_langchain.policy.explain import (
    CapabilityResult,
    ConditionResult,
    ConstraintResult,
    Explanation,
    Outcome,
    RuleResult,
)
from aisecops_langchain.policy.findings import Finding, Severity, find
from aisecops_langchain.policy.loader import load_policy, parse_policy
from aisecops_langchain.policy.model import Limits, Risk
from aisecops_langchain.policy.protocol import DeclaresTools, PolicyEngine, Suspended

__all__ = [
    "CapabilityResult",
    "Case",
    "CaseResult",
    "ConditionResult",
    "ConstraintResult",
    "DeclaresTools",
    "Difference",
    "Explanation",
    "Finding",
    "Limits",
    "Outcome",
    "Policy",
    "PolicyEngine",
    "Question",
    "Risk",
    "RuleResult",
    "Severity",
    "Suspended",
    "difference",
    "find",
    "load_cases",
    "load_policy",
    "parse_cases",
    "parse_policy",
    "run_case",
]
