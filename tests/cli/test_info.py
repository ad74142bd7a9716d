import pytest

from aa1xr import cli


@pytest.mark.parametrize("source", ["sample_archive", "sample_store"])
def test_info__counts(source, request, capsys):
    assert cli.main(["info", str(request.getfixturevalue(source))]) == 0
    out = capsys.readouterr().out
    assert "12 (6 Field_L, 6 MLd)" in out
    assert "15 (10 conspecific, 5 flatrip)" in out
    assert "1775 in 170 of 180 pairs" in out
