"""LangGraph stores behind governance."""
