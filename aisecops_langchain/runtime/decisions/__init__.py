"""Decisions: a proposed step before policy, everything that narrows the answer, and the permit that follows."""
