"""The short form of `stress.bad_archives`."""

import pytest

from stress import bad_archives

SCALE = 0.004


@pytest.fixture(scope="module")
def tallies(tmp_path_factory):
    return list(bad_archives.run(tmp_path_factory.mktemp("archives"), SCALE))


def test_bad_archives__none_fails(tallies):
    assert [f"{t.test}: {failure}" for t in tallies for failure in t.failures] == []


def test_bad_archives__something_was_tried(tallies):
    counts = {tally.test: tally for tally in tallies}
    for tally in tallies:
        if "skipped" not in tally.figures:
            assert tally.tried > 0, tally.test
    assert sum(tally.right for tally in tallies) > 100
    assert sum(tally.refused for tally in tallies) > 100
    assert counts["whole archives with harmless noise, opened"].refused == 0
