"""Watch a chain that you already have: model, tool and retrieval spans in a signed log, and nothing else changed.

Run it with a directory to keep the log. Watching stops nothing; `01_quickstart.py` shows what does.
"""

import sys
import tempfile
from pathlib import Path

from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool

from aisecops_langchain import AuditCallbackHandler, AuditLog, Principal, verify_log
from aisecops_langchain.audit import read_log
from aisecops_langchain.keyfile import load_or_create_key
from aisecops_langchain.testing import ScriptedChatModel

HOME = Path(sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp())


@tool
def word_count(text: str) -> int:
    """Count words."""
    return len(text.split())


prompt = ChatPromptTemplate.from_template("Sum this up in one sentence: {text}")
chain = prompt | ScriptedChatModel(script=["Logs tell what happened."]) | (lambda message: message.text) | word_count

with AuditLog.open(HOME / "audit", key=load_or_create_key(HOME / "keys" / "audit.key")) as log:
    watcher = AuditCallbackHandler(log, Principal(agent="summariser"))
    print("words:", chain.invoke({"text": "..."}, {"callbacks": [watcher]}))

for entry in read_log(HOME / "audit"):
    if entry.is_event:
        print(entry.seq, entry.kind, entry.parse().name)
print("log verified:", verify_log(HOME / "audit").ok)
