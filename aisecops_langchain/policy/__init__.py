"""The policy decision point: strict YAML bundles, compiled, deny by default, independent of the order of rules.

Invariant: pure decisions over frozen data; nothing here performs I/O except reading the bundle's file once.
"""

from aisecops_langchain.policy.engine import Policy
from aisecops_langchain.policy.explain import (
    CapabilityResult,
    ConditionResult,
    ConstraintResult,
    Explanation,
    Outcome,
    RuleResult,
)
from aisecops_langchain.policy.loader import load_policy, parse_policy
from aisecops_langchain.policy.model import Limits, Risk

__all__ = [
    "CapabilityResult",
    "ConditionResult",
    "ConstraintResult",
    "Explanation",
    "Limits",
    "Outcome",
    "Policy",
    "Risk",
    "RuleResult",
    "load_policy",
    "parse_policy",
]
