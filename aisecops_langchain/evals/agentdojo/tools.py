"""AgentDojo's tools as LangChain tools.

Invariant: a tool keeps its name, description, schema and code; what it takes from the environment is bound here and
is no argument, so that no model can reach it.
"""

from __future__ import annotations

from collections.abc import Iterable

from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from aisecops_langchain.evals.agentdojo.shapes import Function
from aisecops_langchain.evals.agentdojo.sight import Observer, ignore


def to_langchain_tools(
    functions: Iterable[Function], environment: BaseModel, observe: Observer = ignore
) -> list[BaseTool]:
    """Convert tools and tie them to one environment.

    Args:
        functions: AgentDojo's tools.
        environment: The world that they read and change in place.
        observe: Told what each call returned.

    Returns:
        One LangChain tool for each. Its result is the text that AgentDojo itself shows to models (YAML), with the
        structured result as artifact, where policy finds the fields that it declares first-party.
    """
    return [_convert(function, environment, observe) for function in functions]


def _convert(function: Function, environment: BaseModel, observe: Observer) -> BaseTool:
    def run(**arguments: object) -> tuple[str, object]:
        bound = {name: source.extract_dep_from_env(environment) for name, source in function.dependencies.items()}
        result = function.run(**arguments, **bound)
        structure = to_jsonable_python(result, fallback=str)
        observe(structure)
        return str(tool_result_to_str(result)), structure

    return StructuredTool.from_function(
        func=run,
        name=function.name,
        description=function.description,
        args_schema=function.parameters,
        response_format="content_and_artifact",
    )
