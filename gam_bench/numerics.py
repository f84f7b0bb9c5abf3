"""The version of what a run computes, down to the last bit."""

NUMERICS = 1
"""Raised by whoever changes what a run computes on one machine with one torch: the order of a sum is enough.

It stands in results and checkpoints, never in a run's identity. Results without it are of version 1. A
checkpoint of another version is not resumed, and tables do not pair runs of different ones. Each raise has
a line in the changelog.
"""
