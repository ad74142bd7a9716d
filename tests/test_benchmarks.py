"""The benchmarks run; what they measure decides nothing here."""

from tests.benchmarks.__main__ import rows


def test_rows__on_the_sample(sample_archive):
    table = list(rows(sample_archive, runs=1))
    assert len(table) == 13
    assert all(measured and bound for _, measured, bound in table)
