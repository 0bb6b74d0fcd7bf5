"""What ``govern`` is given, looked at before anything is built or opened.

Invariant: whoever gives two answers to one question is told so; the stricter one is never passed over for the laxer.
"""

from __future__ import annotations

from collections.abc import Mapping

from aisecops_langchain.errors import ConfigurationError


def require_one_answer(rules: Mapping[str, object], who: Mapping[str, object], *, for_somebody: bool) -> None:
    """Refuse two answers to what rules, or to who acts.

    Args:
        rules: ``policy``, ``ledger`` and ``governor``, as they were given or ``None``.
        who: ``principal``, ``identity``, ``warrant`` and ``agent``, as they were given or ``None``.
        for_somebody: Whether a user or a tenant was named.

    Raises:
        ConfigurationError: If two of them answer the same question.
    """
    given = {name for name, value in {**rules, **who}.items() if value is not None}
    for name, plural in (("policy", "policies"), ("ledger", "ledgers")):
        if {name, "governor"} <= given:
            raise ConfigurationError(
                f"two {plural}", expected=f"a {name} or a governor", got="both", remedy="leave one out"
            )
    if "principal" in given and (for_somebody or given & {"identity", "warrant", "agent"}):
        raise ConfigurationError(
            "two principals",
            expected="a principal, or identity and warrant, or agent, user and tenant",
            got="a principal and another",
            remedy="leave one out",
        )


def require_model(model: object) -> None:
    """Refuse what cannot be a model that is offered tools.

    Args:
        model: What was given; ``init_chat_model`` makes one that is no ``BaseChatModel``.

    Raises:
        ConfigurationError: If tools cannot be bound to it.
    """
    if not callable(getattr(model, "bind_tools", None)):
        raise ConfigurationError(
            "this is no model",
            expected="a LangChain chat model",
            got=type(model).__name__,
            remedy="pass the model itself, such as init_chat_model('provider:name')",
        )
