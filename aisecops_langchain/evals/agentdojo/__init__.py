"""AgentDojo (Debenedetti et al., NeurIPS 2024, https://arxiv.org/abs/2406.13352) run through a governed agent.

Invariant: environments, tools, tasks and the judgement of a task are AgentDojo's own; only the agent is ours.
"""
