"""The process in which Rego runs: reads a policy, then requests, one JSON text a line; run as a script, never imported.

Invariant: it imports nothing of this package. The interpreter brings a C++ runtime that corrupts memory in a process
which has loaded google-re2, and a crash or an endless evaluation must end as a deny, not with the agent's process.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import regopy

_QUERY = "data.aisecops"


def _compile(policy: str) -> tuple[regopy.Interpreter, regopy.Bundle, list[str]]:
    """Compile, and name the built-in functions that the policy calls; nothing of it is evaluated."""
    interpreter = regopy.Interpreter()
    interpreter.log_level = regopy.LogLevel.NONE
    interpreter.strict_built_in_errors = True
    interpreter.add_module("policy", policy)
    bundle = interpreter.build(_QUERY)
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory, "bundle")
        interpreter.save_bundle(str(target), bundle)
        plan = json.loads((target / "plan.json").read_bytes())
    return interpreter, bundle, [item["name"] for item in plan["static"]["builtin_funcs"]]


def _ask(interpreter: regopy.Interpreter, bundle: regopy.Bundle, request: str) -> object:
    interpreter.set_input_term(request)  # ``Input`` escapes no text, so that prohibitions would miss it
    output = interpreter.query_bundle(bundle)
    return json.loads(str(output)) if output.ok() else None


def main() -> None:
    """Answer until the other end closes."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter writes its errors, with values, to fd 1

    def answer(value: object) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    try:
        interpreter, bundle, called = _compile(json.loads(sys.stdin.readline()))
    except (regopy.RegoError, ValueError) as error:
        answer({"fault": " ".join(str(error).split())[:200]})
        return
    answer({"called": called})
    for line in sys.stdin:
        number, request = json.loads(line)
        try:
            answer([number, _ask(interpreter, bundle, request)])
        except (regopy.RegoError, ValueError):
            answer([number, None])


if __name__ == "__main__":
    main()
