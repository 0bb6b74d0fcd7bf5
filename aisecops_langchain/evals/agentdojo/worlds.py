"""The worlds that tasks are run in: AgentDojo's environments, honest or with an attacker's text wherever it can stand.

Invariant: every run gets a copy of its own; what AgentDojo makes is kept and never handed out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from agentdojo.attacks import load_attack
from pydantic import BaseModel

from aisecops_langchain.evals.agentdojo.loading import load_suites
from aisecops_langchain.evals.agentdojo.shapes import InjectionTask, Suite

ATTACK: Final = "important_instructions_no_names"
"""AgentDojo's strongest wording that assumes to know neither the model nor the user."""


class _NamedPipeline:
    """AgentDojo reads a model's name off the pipeline, for wordings that use one; this wording does not."""

    name: Final = "gpt-4o-2024-05-13"


def fresh_world(suite: str, injection_task: str = "") -> BaseModel:
    """Make the world of one run.

    Args:
        suite: Name of the suite.
        injection_task: Whose goal an attacker has written into every place that AgentDojo lets attackers write to;
            empty for an honest world.

    Returns:
        An environment that nothing else holds.
    """
    return _world(suite, injection_task).model_copy(deep=True)


# Reading the environment's YAML takes longer than the run itself.
@lru_cache(maxsize=4)
def _world(suite: str, injection_task: str) -> BaseModel:
    loaded = load_suites((suite,))[suite]
    if not injection_task:
        return loaded.load_and_inject_default_environment({})
    text = injected_text(loaded, loaded.injection_tasks[injection_task])
    places = loaded.get_injection_vector_defaults()
    return loaded.load_and_inject_default_environment(dict.fromkeys(places, text))


def injected_text(suite: Suite, task: InjectionTask) -> str:
    """Word an attack as AgentDojo does, with the words of the goal two spaces apart.

    Some checkers count the mails that contain a sentence of the goal, and would count the attack's own text as well;
    then an attack that came by mail could never succeed.

    Args:
        suite: The suite.
        task: The attacker's goal.

    Returns:
        The text.
    """
    attack = load_attack(ATTACK, suite, _NamedPipeline())
    return str(
        attack.jailbreak.format(goal="  ".join(task.GOAL.split()), user=attack.user_name, model=attack.model_name)
    )
