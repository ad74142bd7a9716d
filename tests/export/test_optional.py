import math
import sys

import pytest

from aa1xr.export.optional import import_optional


def test_import_optional__gives_the_module():
    assert import_optional("math", extra="nothing") is math


def test_import_optional__names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "nosuchlibrary", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'aa1xr\[some\]'"):
        import_optional("nosuchlibrary", extra="some")


def test_import_optional__what_fails_inside_says_so(tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text("import nosuchdependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'nosuchdependency'"):
        import_optional("broken_library", extra="some")
