"""Everything that touches LangChain and LangGraph: nodes, callbacks, the retriever wrapper and ``govern``.

Invariant: adapters translate, they do not decide. Whatever they read from graph state is taken for an attacker's word
until the governor recognised it.

The way of data through a governed graph: ``intake`` → ``planning`` → ``guard`` → ``approval`` → ``executor`` →
``planning`` ... → ``finish``.
"""
