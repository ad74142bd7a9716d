"""Timings: `python -m benchmarks`; `benchmarks/RESULTS.md` has the results."""
