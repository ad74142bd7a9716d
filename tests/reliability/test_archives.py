"""The attacks of `archives`, in short."""

import pytest

from tests.reliability import archives

SCALE = 0.01


@pytest.fixture(scope="module")
def tallies(tmp_path_factory):
    return list(archives.run(tmp_path_factory.mktemp("archives"), SCALE))


def test_archives__none_fails(tallies):
    assert [f"{t.attack}: {failure}" for t in tallies for failure in t.failures] == []


def test_archives__something_was_tried(tallies):
    counts = {tally.attack: tally for tally in tallies}
    for tally in tallies:
        if "skipped" not in tally.figures:
            assert tally.tried > 0, tally.attack
    assert sum(tally.right for tally in tallies) > 100
    assert sum(tally.refused for tally in tallies) > 100
    assert counts["whole archives with harmless noise, opened"].refused == 0
