"""Sealed checkpoints around any checkpointer of LangGraph."""
