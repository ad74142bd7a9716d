from tests.reliability import selections


def test_selections__short(tmp_path):
    (chains,) = selections.run(tmp_path, scale=0.0075)
    assert chains.failures == []
    assert chains.right > 100
    assert chains.refused > 5
