"""The report: how a run reads, in every format; pure functions from what was told to text."""
