"""The blocks of docs/guide/clusters.md run, and a worker reads each kind of place.

`stress.slurm` submits the scripts of the page.
"""

import base64
import functools
import http.server
import re
import subprocess
import threading
from pathlib import Path

import pytest
import xarray as xr

import aa1xr
from tests.guide_pages import GUIDE, blocks, run_block
from tests.test_readme import SAMPLE

SCRIPTS = GUIDE.parent / "slurm"


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def website(tmp_path):
    """The working directory, for those who know the password."""
    wanted = "Basic " + base64.b64encode(b"me:password").decode()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            if self.headers["Authorization"] != wanted:
                self.send_error(401)
            elif Path(self.translate_path(self.path)).is_file():
                super().do_GET()
            else:
                self.send_error(404)

    handler = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_clusters__blocks_run(sample_archive, bucket, website, client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = aa1xr.open_sample().psth.compute(scheduler="threads")
    names = {"sample_archive": sample_archive, "bucket": bucket}
    n_places = 0
    for code in blocks("clusters.md", "python"):
        for module in re.findall(r"^(?:import|from) (icechunk|obstore)", code, re.MULTILINE):
            pytest.importorskip(module)
        here = {"https://server/": website, "/shared/": f"{tmp_path}/"}
        for real, sample in (SAMPLE | here).items():
            code = code.replace(real, sample)  # noqa: PLW2901
        run_block("clusters.md", code, names)
        if "ds" in names:
            ds = names.pop("ds")
            xr.testing.assert_identical(ds.psth.compute(), expected)
            n_places += 1
    assert n_places == 6
    one = expected.sel(neuron=names["neuron"], stimulus="conspecific-00")
    assert (names["response"] == one.values).sum() == one.notnull().sum() > 0


def test_clusters__shows_every_script():
    page = (GUIDE / "clusters.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```\{literalinclude\} \.\./slurm/(.*)$", page, re.MULTILINE)
    assert sorted(shown) == sorted(path.name for path in SCRIPTS.iterdir() if path.is_file())


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_clusters__scripts_are_of_bash(script):
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
