"""The replay server: what the log says about runs, as an API and as a page, and the answers that people give there.

Invariant: it shows what the command line shows, from the same objects; nothing is shown without a token, and everything
that comes from a log is data, never markup. This room needs the extra ``ui``.
"""
