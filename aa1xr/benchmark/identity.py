"""What a model or its data are, as a digest: results are reused for the same, and for nothing else.

The digest of a model is of the code that is loaded, of what it refers to, and of its state. What is
installed counts by its name and version; everything else counts by its contents.
"""

from __future__ import annotations

import dis
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import xarray as xr

from aa1xr.analysis.split import Split

#: Their text says all about them.
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), range, slice)
#: Of a subclass of these, methods and attributes count too.
_CONTAINERS = (dict, set, frozenset, list, tuple)
#: Of a class: not its contents.
_BOOKKEEPING = {"__dict__", "__weakref__", "__module__", "__doc__", "_abc_impl", "__firstlineno__"}


def model_digest(model: Any) -> str:
    """Of the code and the state of a model.

    Raises
    ------
    TypeError
        If it holds something that has no contents to compare, such as a lock.
    """
    digest = _Digest()
    digest.add(model)
    for module in sorted(_beside(model), key=lambda each: each.__name__):
        digest.add_file(module)
    return digest.hexdigest()


def data_digest(prepared: xr.Dataset) -> str:
    """Of all that a fit and its scores depend on, for one area of a Dataset from `prepare`."""
    digest = _Digest()
    names = [name for name in ("spikes", "psth", "spectrogram", "n_trials") if name in prepared]
    computed = prepared[names].compute()
    for name, variable in sorted(computed.variables.items()):
        digest.add([name, variable.dims, variable.values])
    digest.add({str(name): str(value) for name, value in prepared["spectrogram"].attrs.items()})
    return digest.hexdigest()


def splits_digest(splits: Iterable[Split]) -> str:
    """Of the stimuli of each split, in the order in which a model has them."""
    digest = _Digest()
    for split in splits:
        digest.add([part.tolist() for part in split])
    return digest.hexdigest()


def local_modules() -> list[ModuleType]:
    """The loaded modules that are not installed, but those of this package and the script."""
    return [
        module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in {"aa1xr", "__main__"} and _is_local(module)
    ]


def _is_local(module: Any) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and not str(file).startswith(installed())


@cache
def installed() -> tuple[str, ...]:
    """The folders of what is installed."""
    paths = sysconfig.get_paths()
    return tuple(str(Path(paths[name]) / "_")[:-1] for name in ("purelib", "platlib", "stdlib"))


def _is_ours(module: Any) -> bool:
    """Whether the contents of what it defines count, and not its name and version."""
    name = str(getattr(module, "__name__", "__main__"))
    return name == "__main__" or (name.partition(".")[0] != "aa1xr" and _is_local(module))


def _beside(model: Any) -> Iterator[ModuleType]:
    """The loaded modules of the folder or package of a model, for what it finds at run time."""
    owner = sys.modules.get(getattr(model, "__module__", None) or type(model).__module__)
    if not _is_ours(owner) or getattr(owner, "__file__", None) is None:
        return
    package = sys.modules[owner.__name__.partition(".")[0]]  # type: ignore[union-attr]
    folder = Path(str(getattr(package, "__file__", None) or owner.__file__)).parent  # type: ignore[union-attr]
    yield owner  # type: ignore[misc]
    for module in local_modules():
        if Path(str(module.__file__)).is_relative_to(folder):
            yield module


class _Digest:
    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._seen: dict[int, tuple[int, Any]] = {}  # kept, so that no other object has the id
        self.hexdigest = self._hash.hexdigest

    def _text(self, *parts: object) -> None:
        self._hash.update(repr(parts).encode())

    def add(self, value: Any) -> None:
        """Add a value and all that it refers to."""
        if isinstance(value, _PLAIN):
            self._text(type(value).__name__, value)
            return
        if id(value) in self._seen:
            self._text("again", self._seen[id(value)][0])
            return
        self._seen[id(value)] = len(self._seen), value
        kinds: Any
        add: Any
        for kinds, add in (
            (np.ndarray | np.generic, self._add_array),
            (dict, self._add_dict),
            (set | frozenset, self._add_set),
            (list | tuple, self._add_parts),
            (MethodType, lambda method: self.add([method.__func__, method.__self__])),
            (FunctionType, self._add_function),
            (CodeType, self._add_code),
            (ModuleType, self._add_module),
            (type, self._add_class),
        ):
            if isinstance(value, kinds):
                add(value)
                if type(value) not in _CONTAINERS and isinstance(value, _CONTAINERS):
                    self.add([type(value), getattr(value, "__dict__", None)])
                return
        self._add_object(value)

    def _add_array(self, array: Any) -> None:
        self._text("array", array.dtype.str, array.shape)
        if isinstance(array, np.ma.MaskedArray):
            self._add_array(np.ma.getmaskarray(array))
            array = array.data
        if array.dtype.kind == "O":
            self.add(array.tolist())
        else:
            self._hash.update(np.ascontiguousarray(array).tobytes())

    def _add_dict(self, mapping: dict[Any, Any]) -> None:
        self._text("dict", len(mapping))
        for key, value in mapping.items():
            self.add(key)
            self.add(value)

    def _add_parts(self, parts: Any) -> None:
        self._text(type(parts).__name__, len(parts))
        for part in parts:
            self.add(part)

    def _add_set(self, parts: Any) -> None:
        digests = []
        for part in parts:
            one = _Digest()
            one._seen = dict(self._seen)  # a part may refer to what holds the set
            one.add(part)
            digests.append(one.hexdigest())
        self._text("set", sorted(digests))

    def _add_code(self, code: CodeType) -> None:
        self._text("code", code.co_code, code.co_names, code.co_varnames, code.co_flags)
        self.add(code.co_consts)

    def _add_module(self, module: ModuleType) -> None:
        self._text("module", module.__name__, str(getattr(module, "__version__", "")))
        if _is_ours(module):
            self.add_file(module)

    def add_file(self, module: ModuleType) -> None:
        """Add the contents of the file of a module, if it has one."""
        path = Path(str(getattr(module, "__file__", None)))
        self._hash.update(path.read_bytes() if path.is_file() else b"")

    def _named(self, value: Any) -> bool:
        """Add something installed by its name and version; False for anything else."""
        module = sys.modules.get(str(getattr(value, "__module__", "")))
        if module is None or _is_ours(module):
            return False
        package = sys.modules.get(module.__name__.partition(".")[0])
        version = str(getattr(package, "__version__", ""))
        self._text("installed", value.__module__, value.__qualname__, version)
        return True

    def _add_function(self, function: FunctionType) -> None:
        if self._named(function) and "<" not in function.__qualname__:
            return
        self.add([function.__qualname__, function.__code__])
        self.add([function.__defaults__, function.__kwdefaults__])
        for cell in function.__closure__ or ():
            try:
                self.add(cell.cell_contents)
            except ValueError:  # not filled yet
                self._text("empty")
        self._add_globals(function.__code__, function.__globals__)

    def _add_globals(self, code: CodeType, names: dict[str, Any]) -> None:
        for name in code.co_names:
            if name not in names:
                continue
            self._text("global", name)
            self.add(found := names[name])
            if isinstance(found, ModuleType) and _is_ours(found):
                for attribute in code.co_names:  # `helper.GAIN`
                    if attribute in vars(found):
                        self.add(vars(found)[attribute])
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME":
                self._add_import(str(instruction.argval), str(names.get("__package__") or ""))
        for const in code.co_consts:
            if isinstance(const, CodeType):
                self._add_globals(const, names)

    def _add_import(self, name: str, package: str) -> None:
        """Add the file of a module that a function imports when it is called."""
        for each in (name, f"{package}.{name}"):
            try:
                spec = importlib.util.find_spec(each)
            except (ImportError, ValueError):
                continue
            if spec is not None and spec.origin and Path(spec.origin).is_file():
                module = ModuleType(each)
                module.__file__ = spec.origin
                if _is_local(module):
                    self.add_file(module)

    def _add_class(self, kind: type) -> None:
        if self._named(kind):
            return
        self.add([kind.__qualname__, *kind.__bases__])
        for name, value in sorted(vars(kind).items()):
            if name not in _BOOKKEEPING and not (
                name.startswith("__") and name.endswith("cache__")
            ):
                self._text("attribute", name)
                self.add(_inside(value))

    def _add_object(self, value: Any) -> None:
        if hasattr(value, "__qualname__") and self._named(value):  # a function in C
            return
        if (inside := _inside(value)) is not value:
            self.add(inside)
            return
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:
            raise TypeError(
                f"the model holds a {type(value).__name__}, which has no contents to compare "
                f"({error}), so its results cannot be told from those of another model. Make it "
                "when the model is called, or leave out path"
            ) from error
        self.add([type(value), reduced if isinstance(reduced, str) else list(reduced[:3])])
        for part in () if isinstance(reduced, str) else reduced[3:5]:
            self.add(None if part is None else list(part))


def _inside(value: Any) -> Any:
    """What a descriptor holds: that of a property, a static method, or a slot."""
    if isinstance(value, staticmethod | classmethod):
        return [type(value).__name__, value.__func__]
    if isinstance(value, property):
        return ["property", value.fget, value.fset, value.fdel]
    if type(value).__name__ in {"member_descriptor", "getset_descriptor", "wrapper_descriptor"}:
        return [type(value).__name__, value.__name__]
    return value
