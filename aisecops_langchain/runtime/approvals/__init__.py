"""Approvals: asking people about one exact call, and what their answers come to."""
