import aa1xr
from aa1xr import citation, cli


def test_cite__data_papers_and_package(capsys):
    aa1xr.cite()
    out = capsys.readouterr().out
    assert citation.CITATION in out
    assert "https://doi.org/10.6080/K0F769GP" in out
    for paper in citation.PAPERS:
        assert paper in out
    assert f"aa1xr {aa1xr.__version__}" in out


def test_cli__cite(capsys):
    assert cli.main(["cite"]) == 0
    by_command = capsys.readouterr().out
    aa1xr.cite()
    assert capsys.readouterr().out == by_command
