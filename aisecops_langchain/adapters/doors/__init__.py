"""Doors: the ways in which LangChain and LangGraph reach a tool, each one guarded by the same core."""
