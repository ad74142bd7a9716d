"""Web servers that list nothing, and say of what is missing that it is forbidden, or worse."""

import functools
import http.server
import os
import shutil
import threading

import fsspec
import pytest
import xarray as xr

import aa1xr
from aa1xr import StoreError, cli
from aa1xr.store.layout import ARRAYS, METADATA
from aa1xr.store.storage import open_storage

#: What a server answers for what is not there; 200 is a page of its own.
MISSING = [404, 403, 401, 410, 500, 200]


class Handler(http.server.SimpleHTTPRequestHandler):
    """Gives files and lists nothing."""

    missing = 404

    def log_message(self, *args):
        pass

    def do_GET(self):
        if os.path.isfile(self.translate_path(self.path)):  # noqa: PTH113
            super().do_GET()
        elif self.missing == 200:
            page = b"<html>Welcome</html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)
        else:
            self.send_error(self.missing)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls


@pytest.fixture(params=MISSING)
def server(request, tmp_path):
    """A folder, and its URL."""
    kind = type("Kind", (Handler,), {"missing": request.param})
    folder = tmp_path / "www"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(kind, directory=str(folder))
    ) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{served.server_port}", request.param
        served.shutdown()
        thread.join()


@pytest.fixture
def small(sample_archive):
    """The sample at 20 ms."""
    return aa1xr.open_sample(dt_ms=20)


def test_web__a_store(server, store, tmp_path, capsys):
    folder, url, _ = server
    shutil.copytree(store, folder / "aa1.zarr")
    url += "/aa1.zarr"
    right = aa1xr.open(store, dt_ms=5)
    there = aa1xr.open(url, dt_ms=5)
    xr.testing.assert_identical(there.compute(), right.compute())  # the spectrogram included
    aa1xr.copy_store(url, tmp_path / "copy.zarr")
    files = open_storage(str(store))
    built = [name for name in files.listing() if not name.startswith("spectrogram-")]
    copied = open_storage(str(tmp_path / "copy.zarr"))
    assert copied.read_all(sorted(copied.listing())) == files.read_all(sorted(built))
    assert cli.main(["verify", url]) == 0
    out = capsys.readouterr().out
    assert f"{len(ARRAYS)} arrays, all right; cached spectrograms were not checked" in out


def test_web__a_chunk_that_is_missing_is_not_made_up(server, store):
    folder, url, _ = server
    shutil.copytree(store, folder / "aa1.zarr")
    (folder / "aa1.zarr" / "spike_time" / "c" / "0").unlink()
    ds = aa1xr.open(f"{url}/aa1.zarr")
    for use in (ds.psth.compute, lambda: aa1xr.copy_store(f"{url}/aa1.zarr", "memory://web.zarr")):
        with pytest.raises((StoreError, OSError), match=f"{url}/aa1.zarr") as info:
            use()
        assert "remove" not in str(info.value)
    assert not fsspec.filesystem("memory").exists("web.zarr/zarr.json")


def test_web__a_saved_dataset(server, small):
    folder, url, _ = server
    saved = small[["psth", "n_trials"]].sel(area="MLd")
    aa1xr.save(saved, folder / "x.zarr")
    xr.testing.assert_identical(aa1xr.load(f"{url}/x.zarr").compute(), saved.compute())
    (folder / "x.zarr" / "psth" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises((StoreError, OSError), match=f"{url}/x.zarr") as info:
        aa1xr.load(f"{url}/x.zarr").compute()
    assert "remove" not in str(info.value)


def test_web__what_xarray_wrote_without_a_list_of_arrays(server, small):
    folder, url, _ = server
    bare = xr.Dataset({"n_trials": small["n_trials"].variable})
    bare.to_zarr(folder / "x.zarr", consolidated=False)
    with pytest.raises(StoreError, match=r"no variable was found.*zarr\.consolidate_metadata"):
        aa1xr.load(f"{url}/x.zarr")


def test_web__nothing_there(server):
    _, url, missing = server
    for use in (aa1xr.open, aa1xr.load):
        with pytest.raises((StoreError, OSError), match=f"{url}/no.zarr") as info:
            use(f"{url}/no.zarr")
        if missing == 404:
            assert isinstance(info.value, aa1xr.DataNotFoundError)
        else:
            assert not isinstance(info.value, aa1xr.DataNotFoundError)
        assert "remove it" not in str(info.value)


def test_added__a_listing_that_lacks_what_was_read_is_none(store, monkeypatch):
    from aa1xr.store.read import Store

    reader = Store(str(store))
    assert reader.added() == []
    monkeypatch.setattr(type(reader.storage), "listing", lambda self: {METADATA: ""})
    assert reader.added() is None
    monkeypatch.setattr(type(reader.storage), "listing", lambda self: None)
    assert reader.added() is None


def test_copy_store__to_a_target_that_may_not_be_listed(store, bucket, monkeypatch):
    url = f"s3://{bucket.bucket}/unlisted.zarr"
    there = open_storage(url, bucket.options)
    monkeypatch.setattr(type(there), "listing", lambda self: None)
    with pytest.raises(PermissionError, match="target may not be listed"):
        aa1xr.copy_store(store, url, target_options=bucket.options)
