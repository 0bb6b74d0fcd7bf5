"""Guards for prompts and answers: in chains, in graphs of one's own, and on streams."""
