"""The nodes of a governed graph: shells over the core, one for each step of the way."""
