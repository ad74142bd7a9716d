from aa1xr import cli


def test_build__prints_the_store(sample_archive, sample_store, capsys):
    assert cli.main(["build", str(sample_archive)]) == 0
    assert capsys.readouterr().out.strip() == str(sample_store)
