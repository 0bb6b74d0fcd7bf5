"""The demo: a purchasing agent over documents that ship along, one of which is an attack on it.

Invariant: everything that it does lies in the directory that it was given. It enforces nothing by itself: its agent is
made by ``govern`` like any other, and what it tells about a run is read from the audit log.

The letter among the documents carries its attack twice: in words broken by zero-width characters, and in invisible
Unicode tag characters. The bank accounts are well-known specimens, and the companies do not exist.
"""
