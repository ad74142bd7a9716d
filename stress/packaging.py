"""Secrets, data that tries to run code, the wheel and the sdist, and other releases of Zarr"""

import ast
import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import fsspec

import aa1xr
from stress import built_release, malicious_input, other_zarr
from stress.tally import Tally, tally, times
from tests import s3_server
from tests.archive.download.crcns_server import CRCNS, PASSWORD, USERNAME, ZIP, Fault

ROOT = Path(__file__).resolve().parents[1]

NETRC_PASSWORD = "n3trc-hush-5upply"
OPTIONS = {"key": "AKIA5UPPLYHUSH", "secret": "5upply/S3cret+of=S3"}


def run(work: Path, scale: float) -> Iterator[Tally]:
    """All of it; what needs something that is not here says so among the figures."""
    yield secrets(work / "secrets", long=scale >= 1)
    yield code_in_data(work / "evil", scale)
    yield code_in_package()
    if scale >= 1:
        yield distributions(work / "dist")
    yield other_zarr.both_ways(work / "zarr")


# Secrets


def secrets(work: Path, *, long: bool) -> Tally:
    """Use everything with secrets, and look for them wherever anything was written."""
    work.mkdir(parents=True)
    with tally("secrets: places searched after every feature, failing ones too") as counted:
        with _servers(work) as (given, environment, objects):
            given["long"] = long
            done = subprocess.run(
                [sys.executable, "-m", "stress.secrets"],
                input=json.dumps(given),
                env=environment,
                cwd=work / "cwd",
                capture_output=True,
                text=True,
                check=False,
            )
            places = {"output": done.stdout.encode(), "errors": done.stderr.encode()}
            places |= {f"s3: {name}": data for name, data in objects().items()}
        places |= {
            str(path.relative_to(work)): path.read_bytes()
            for path in work.rglob("*")
            if path.is_file() and path.name not in {".netrc", "given.zip"}
        }
        wanted = forms(PASSWORD, NETRC_PASSWORD, *OPTIONS.values())
        for place, data in places.items():
            if found := [name for name, form in wanted if form in data or form in place.encode()]:
                counted.failures.append(f"{place} holds {found}")
            else:
                counted.right += 1
        counts = _last_line(done.stdout)
        if done.returncode or not counts or "pickled: True" not in done.stdout:
            counted.failures.append(f"it did not run: {done.stderr[-500:]}")
        counted.figures = (
            f"{counts.get('worked')} uses that worked, {counts.get('failed')} that failed; "
            f"4 secrets in {len(wanted)} forms; only a pickle of the Dataset, for workers, "
            "holds any"
        )
    return counted


def forms(*values: str) -> list[tuple[str, bytes]]:
    """Each way in which a secret may be written, and what it is of."""
    found: dict[bytes, str] = {}
    for number, value in enumerate(values):
        data = value.encode()
        texts = [value, quote(value), quote(value, safe=""), quote_plus(value), ascii(value)[1:-1]]
        written = [text.encode() for text in [*texts, json.dumps(value)[1:-1]]]
        # In base64 it depends on what stands before it.
        written += [base64.b64encode(b"x" * n + data)[4:-4] for n in range(3)]
        found |= dict.fromkeys(written, f"secret {number}")
    return [(name, form) for form, name in found.items()]


@contextlib.contextmanager
def _servers(work: Path) -> Iterator[tuple[dict[str, Any], dict[str, str], Any]]:
    """Servers with secrets, what the other process is given, and what S3 holds afterwards."""
    for name in ("home", "tmp", "cwd", "data"):
        (work / name).mkdir()
    archive = work / "given.zip"
    aa1xr.simulate_archive(archive, n_neurons=4, n_songs=4, n_ripples=1, n_trials=4)
    crcns, served = CRCNS(archive.read_bytes()), s3_server.serve(bucket="secrets")
    crcns.faults[ZIP] = [Fault(cut=9000), Fault(status=403)]
    with crcns, served as server, _refusing() as refusing:
        options = OPTIONS | {
            "endpoint_url": server.url,
            "config_kwargs": {"retries": {"max_attempts": 0}},
        }
        files = fsspec.filesystem("s3", **options)
        files.mkdir(server.bucket)
        given = {
            "username": USERNAME,
            "password": PASSWORD,
            "netrc_password": NETRC_PASSWORD,
            "archive": str(archive),
            "url": f"s3://{server.bucket}/aa1.zarr",
            "options": options,
            "refusing": refusing,
        }
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CRCNS_", "AWS_", "NETRC")) and "proxy" not in name.lower()
        }
        environment = kept | {
            "PYTHONPATH": str(ROOT),
            "HOME": str(work / "home"),
            "TMPDIR": str(work / "tmp"),
            "AA1XR_DATA_DIR": str(work / "data"),
            "AA1XR_CRCNS_SITE": crcns.site,
            "AA1XR_CRCNS_DOWNLOADS": crcns.downloads,
            "MPLBACKEND": "agg",
        }

        def objects() -> dict[str, bytes]:
            files.invalidate_cache()
            return {name: files.cat_file(name) for name in files.find(server.bucket)}

        yield given, environment, objects


@contextlib.contextmanager
def _refusing() -> Iterator[str]:
    """An S3 server that refuses every key, and says of which, as Amazon's does."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (
                "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we "
                "calculated does not match</Message><AWSAccessKeyId>"
                f"{OPTIONS['key']}</AWSAccessKeyId></Error>"
            ).encode()
            self.send_response(403)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_PUT = do_POST = do_GET  # noqa: N815

        def log_message(self, *args: Any) -> None:
            """Nothing is to be said of it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _last_line(text: str) -> dict[str, int]:
    try:
        counts: dict[str, int] = json.loads(text.splitlines()[-1])
    except (IndexError, ValueError):
        return {}
    return counts


# Code


def code_in_data(work: Path, scale: float) -> Tally:
    """Read stores that would leave a mark if anything in them were run."""
    work.mkdir(parents=True)
    mark = malicious_input.Mark(work / "mark")
    store = Path(aa1xr.open_sample().encoding["source"])
    with tally("data that tries to run code") as counted, malicious_input.pickles_allowed():
        if not malicious_input.is_live(work, mark):
            counted.failures.append("zarr itself does not run what was made, so nothing is shown")
        every = times(1, 1 / scale)
        for what, path, part in islice(
            malicious_input.malicious_stores(store, work, mark), 0, None, every
        ):
            for how, read in malicious_input.readings(path, part).items():
                try:
                    read()
                    ended = "it was read"
                except (aa1xr.StoreError, aa1xr.DataNotFoundError):
                    ended = ""
                except Exception as error:  # noqa: BLE001
                    ended = repr(error)
                if mark.was_left():
                    ended = "its code was run"
                if ended:
                    counted.failures.append(f"{what}, {how}: {ended}")
                else:
                    counted.refused += 1
            shutil.rmtree(path)
    return counted


def code_in_package() -> Tally:
    """Look through the package for what could run data."""
    with tally("modules of the package without pickle, eval, exec or a shell") as counted:
        for path in sorted(Path(aa1xr.__file__).parent.rglob("*.py")):
            found = could_run(path.read_text(encoding="utf-8"))
            if path.name == "external.py":
                # A user's own model runs anyway; it is sent to workers, and kept nowhere.
                found = [each for each in found if not each.startswith("cloudpickle ")]
            if found:
                counted.failures.append(f"{path.name}: {', '.join(found)}")
            else:
                counted.right += 1
    return counted


_MODULES = {
    "pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml", "subprocess",
    "ctypes", "code", "runpy", "imp", "numexpr", "jsonpickle", "pty", "commands",
}  # fmt: skip
_CALLS = {
    "eval", "exec", "__import__", "system", "popen", "startfile", "read_pickle",
    "exec_module", "spawnl", "spawnv", "execv", "execl", "execvp", "posix_spawn", "query",
}  # fmt: skip


def could_run(source: str) -> list[str]:
    """What in a module could run, or unpickle, what it is given; each with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                what = [name.name for name in names if name.name.split(".")[0] in _MODULES]
            case ast.ImportFrom(module=str(module)):
                what = [module] if module.split(".")[0] in _MODULES else []
            case ast.Call(func=ast.Name(id="import_module"), args=[first, *_]):
                what = [] if _is_known(first) else ["import_module"]
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                what = [name] if _could_run(node, name) else []
            case _:
                continue
        found += [f"{name} in line {node.lineno}" for name in what]
    return found


def _is_known(module: ast.expr) -> bool:
    """Whether what is imported is known, or a module of this package at least."""
    if isinstance(module, ast.JoinedStr):
        module = module.values[0]
        return isinstance(module, ast.Constant) and str(module.value).startswith("aa1xr.")
    return isinstance(module, ast.Constant)


def _could_run(call: ast.Call, name: str) -> bool:
    """Whether a call of this name could run what it is given."""
    given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
    if name == "load" and not given.get("weights_only", True):
        return True
    if any(given.get(unsafe) for unsafe in ("allow_pickle", "shell", "trust_remote_code")):
        return True
    # The method `eval` of a network takes nothing.
    return name in _CALLS and bool(call.args)


# Distributions


def distributions(work: Path) -> Tally:
    """Build the wheel and the sdist, look into them, and run them alone."""
    work.mkdir(parents=True)
    with tally("the wheel and the sdist") as counted:
        if find_spec("build") is None:
            counted.figures = "skipped: needs `build`, of the extra `dev`"
            return counted
        for _, wrong in built_release.wrong_in(built_release.build(work)):
            counted.failures += wrong
            counted.right += not wrong
        counted.figures = "contents, and both run in an environment of their own"
    return counted
