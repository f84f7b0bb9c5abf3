"""Judgement without ink: cells, paired differences, claims, verdicts, cost."""
