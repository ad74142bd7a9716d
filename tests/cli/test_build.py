from pathlib import Path

from aa1xr import cli


def test_build__prints_the_store(sample_archive, sample_store, capsys):
    assert cli.main(["build", str(sample_archive)]) == 0
    assert capsys.readouterr().out.strip() == str(sample_store)


def test_build__rebuilds_what_is_damaged(sample_archive, tmp_path, capsys):
    options = [str(sample_archive), "--data-dir", str(tmp_path)]
    assert cli.main(["build", *options]) == 0
    store = Path(capsys.readouterr().out.strip())
    (store / "area/c/0").write_bytes(b"oops")
    assert cli.main(["build", *options]) == 0
    assert cli.main(["verify", str(store)]) == 1
    assert cli.main(["build", "--rebuild", *options]) == 0
    assert cli.main(["verify", str(store)]) == 0
