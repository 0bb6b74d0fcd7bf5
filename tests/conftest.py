"""Settings of the whole suite."""

import os

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"  # before anything imports langgraph
os.environ.setdefault("LANGSMITH_TRACING", "false")

from hypothesis import HealthCheck, settings

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")  # nothing here depends on how busy the machine is
