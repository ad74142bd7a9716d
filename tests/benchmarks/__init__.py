"""Measurements, apart from the tests: a timing never decides whether a test passes."""
