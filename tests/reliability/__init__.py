"""Attacks on the package: short ones run as tests, long ones by `python -m tests.reliability`."""
