"""What checks look at: each module holds what was seen of one part, and what follows from it, as pure functions.

An observation offers the words a check compares (`found()`, `expected()`), a line of detail for each
difference, and rows for the report. Nothing here connects to anything: the fixtures look, these judge.
"""
