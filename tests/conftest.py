"""Settings of the whole suite."""

import os

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"  # before anything imports langgraph
os.environ.setdefault("LANGSMITH_TRACING", "false")
