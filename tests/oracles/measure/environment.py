"""An engine's code of a given release, unpacked beside a virtual environment that can import it.

`enter` makes both in a cache folder and starts the script again under that environment's Python.
The release is unpacked from its wheel without its dependencies: an engine pins CUDA builds of
many packages that planning never calls. What is missing is stood in by `stand_in`, module by
module, by name.
"""

import importlib
import importlib.abc
import importlib.machinery
import logging
import os
import subprocess
import sys
import tarfile
import types
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CACHE = Path(os.environ.get("KVCALC_MEASURE_CACHE", Path.home() / ".cache/kvcalc-measure"))
"""Where environments (some GB each with PyTorch) and unpacked releases are kept."""

PYTHON = "KVCALC_MEASURE_PYTHON"
"""Environment variable: a Python that has the packages already, used in place of a new one."""

INSIDE = "KVCALC_MEASURE_INSIDE"
"""Set in the second start of a script."""

TORCH = (
    *("torch", "transformers==5.24.0", "pydantic", "msgspec", "cloudpickle", "psutil", "pyzmq"),
    *("cachetools", "blake3", "cbor2", "regex", "requests", "triton", "mmengine-lite", "numpy"),
    *("dill", "orjson", "einops", "pillow", "pybase64", "torchvision"),
)
"""What the engines on PyTorch share; another release of transformers is unpacked before it."""

READ = {".py", ".json", ".md", ".txt", ".h", ".cuh"}
"""What is unpacked of a wheel; compiled kernels (hundreds of MB) never run here."""


def run(*command: str | Path) -> None:
    """Run a command quietly; what it says on failure is shown."""
    subprocess.run([str(part) for part in command], check=True, stdout=sys.stderr)


def environment(packages: Sequence[str]) -> Path:
    """The Python of a virtual environment that has these packages; made where it is not there."""
    if given := os.environ.get(PYTHON):
        return Path(given)
    folder = CACHE / f"{packages[0].partition('[')[0]}-environment"
    python = folder / "bin" / "python"
    done = folder / "packages.txt"
    if not done.exists() or done.read_text() != "\n".join(packages):
        venv.create(folder, with_pip=True, clear=True)
        run(python, "-m", "pip", "install", "-q", *packages)
        done.write_text("\n".join(packages))
    return python


def downloaded(python: Path, requirement: str, folder: Path) -> Path:
    """Download one release's wheel without what it depends on."""
    run(python, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, requirement)
    (archive,) = folder.glob("*.whl")
    return archive


def release(python: Path, project: str, version: str) -> Path:
    """The folder of a release's Python files, unpacked from its wheel."""
    folder = CACHE / f"{project}-{version}"
    if not folder.exists():
        archive = downloaded(python, f"{project}=={version}", CACHE / f"{project}-{version}.part")
        with zipfile.ZipFile(archive) as wheel:
            files = [name for name in wheel.namelist() if Path(name).suffix in READ]
            files += [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            wheel.extractall(archive.parent, files)
        archive.unlink()
        archive.parent.rename(folder)
    return folder


def sources(project: str, version: str) -> Path:
    """The folder of a release's sources, unpacked from its source package."""
    folder = CACHE / f"{project}-{version}-sources"
    if not folder.exists():
        part = CACHE / f"{project}-{version}.part"
        given = ("--no-binary", ":all:", "-d", part, f"{project}=={version}")
        run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", *given)
        (archive,) = part.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(part, filter="data")
        archive.unlink()
        part.rename(folder)
    (inside,) = folder.iterdir()
    return inside


def newest(python: str | Path, project: str) -> str:
    """The newest release of a project that is no pre-release, as pip lists them."""
    said = subprocess.run(
        [python, "-m", "pip", "index", "versions", project],
        check=True,
        capture_output=True,
        text=True,
    )
    return said.stdout.split("(")[1].split(")")[0]


def enter(project: str, version: str, packages: Sequence[str] = TORCH) -> str:
    """Start the script again where the release can be imported; return the release's number.

    `version` may be `newest`.
    """
    sys.path.remove(str(Path(__file__).parent))  # its files are named as the engines are
    if inside := os.environ.get(INSIDE):
        logging.disable()
        return inside
    python = environment(packages)
    if version == "newest":
        version = newest(python, project)
    unpacked = str(release(python, project, version))
    settings = {**os.environ, INSIDE: version, "PYTHONPATH": unpacked}
    sys.stdout.flush()
    return os.execve(python, [str(python), *sys.argv], settings)


ENGINES = {"vllm", "sglang", "lmdeploy", "mlx_lm", "exllamav3"}
"""Packages that are never stood in: a module that is missing there is an error."""


class Taken(type):
    """The type of stood-in names: classes that take anything and have any attribute."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        setattr(cls, name, made := taken(name))
        return made


def taken(name: str) -> Taken:
    """A class of that name in whose place anything may stand, for pydantic's checks too."""
    own = {
        "__init__": lambda self, *given, **named: None,
        "__init_subclass__": classmethod(lambda cls, **named: None),
        "__get_pydantic_core_schema__": classmethod(lambda cls, source, handler: {"type": "any"}),
    }
    return Taken(name, (), own)


class StandIn(types.ModuleType):
    """A module that is not installed: any name asked of it is a class that takes anything."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        setattr(self, name, made := taken(name))
        return made


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a stand-in for each named package and all that is under it."""

    def __init__(self) -> None:
        self.packages: set[str] = set()

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] not in self.packages:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """A stand-in has nothing to run."""


def forget_orphans() -> None:
    """Drop modules whose package failed to import: they cannot be found anew beside it."""
    for name in list(sys.modules):
        package = name.rpartition(".")[0]
        if package and name.partition(".")[0] in ENGINES and package not in sys.modules:
            del sys.modules[name]


def load(module: str) -> Any:
    """Import an engine's module; packages that it wants and that are not there are stood in.

    Their names are printed: what ran is the engine's own code but for them.
    """
    finder = Finder()
    sys.meta_path.append(finder)
    try:
        while True:
            try:
                return importlib.import_module(module)
            except ModuleNotFoundError as missing:
                if missing.name is None or missing.name.partition(".")[0] in ENGINES:
                    raise
                finder.packages.add(missing.name.partition(".")[0])
                forget_orphans()
    finally:
        for name in sorted(finder.packages):
            print(f"stood in: {name}", file=sys.stderr)
        finder.packages = {name for name in finder.packages if name in sys.modules}


def installed(module: str) -> bool:
    """Whether the release has a module, or a package, of that name."""
    places = [Path(folder, *module.split(".")) for folder in sys.path]
    return any(
        place.with_suffix(".py").exists() or (place / "__init__.py").exists() for place in places
    )
