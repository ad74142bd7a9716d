from stress import corruption


def test_corruption__is_never_data(tmp_path):
    tallies = list(corruption.run(tmp_path, scale=1 / 160))
    assert [tally.failures for tally in tallies] == [[]] * 5
    assert all(tally.tried > 3 for tally in tallies)
    assert all(tally.refused for tally in tallies if "mended" not in tally.test)
