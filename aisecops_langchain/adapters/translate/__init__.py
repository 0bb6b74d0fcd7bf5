"""The one place where LangChain's messages become ours, by what is translated: words, calls, answers, turns."""
