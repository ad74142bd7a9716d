"""Stress tests at full length: `python -m stress`. `tests/stress` runs short forms of them."""
