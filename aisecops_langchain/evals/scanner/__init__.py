"""The scanner judged on labelled texts: what it finds of attacks, and what it takes for one."""
