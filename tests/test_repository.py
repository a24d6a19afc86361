"""The repository itself: dependencies in step, nothing large, nothing pickled, one version."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import dgrl
from tests.helpers.project import PROJECT, with_extras

ROOT = Path(__file__).parents[1]
MEGABYTE = 10**6
OPTIONAL = {"spaces"}  # only on Hugging Face Spaces, where it is always there


def shipped_files() -> list[Path]:
    """Return git's files; without git, everything except caches and the virtual environment."""
    result = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if result.returncode == 0:
        paths = [ROOT / name for name in result.stdout.decode().split("\0") if name]
    else:
        left_out = {".git", ".venv", "runs", "__pycache__"}
        paths = [path for path in ROOT.rglob("*") if not left_out & set(path.relative_to(ROOT).parts)]
    return [path for path in paths if path.is_file()]


def space_requirements() -> list[str]:
    """Return the packages that a Space installs."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_a_space_installs_versions_that_the_project_accepts():
    """Lower bounds are the same; there are upper ones where a Space has no newer version."""
    expected = with_extras("app")
    for requirement in map(Requirement, space_requirements()):
        bounds, result = requirement.specifier, expected[requirement.name].specifier
        assert set(result) <= set(bounds), requirement.name
        assert all(bound.operator == "<" for bound in set(bounds) - set(result)), requirement.name
        assert requirement.extras == expected[requirement.name].extras
    newest = {"torch": "2.11.0", "torchvision": "0.26.0"}
    for name, version in newest.items():
        (bounds,) = [
            requirement.specifier for requirement in map(Requirement, space_requirements()) if requirement.name == name
        ]
        assert version in bounds, "ZeroGPU's newest"
        assert [bound.version for bound in bounds if bound.operator == "<"], "newer ones are not ZeroGPU's"


def test_a_space_installs_exactly_the_packages_that_the_app_imports():
    """Followed from app.py through this repository, imports inside of functions included."""
    needed = third_party(reached_from(ROOT / "app.py"))
    assert "gradio" in needed, "the imports were not followed"
    assert {"jupyterlab", "accelerate", "typer", "google"} & needed == set()
    providers = importlib.metadata.packages_distributions()
    named = {canonical(Requirement(line).name) for line in space_requirements()}
    used = {canonical(distribution) for name in needed - OPTIONAL for distribution in providers[name]}
    assert named - used - {"pymatting"} == set(), "these are not imported"  # it is loaded by its file's name
    for name in sorted(needed - OPTIONAL):
        assert {canonical(distribution) for distribution in providers[name]} & named, f"{name} would be missing"


def test_requirements_need_no_repository():
    """Spaces installs them before the repository is there."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"^\s*(-e|--|\.|file:|git\+)", text, re.MULTILINE)


def test_environment_installs_everything_without_a_list():
    """Its comment names the packages that readers look for; pyproject.toml has all of them."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    lines = [line.strip().removeprefix("- ") for line in text.partition("dependencies:")[2].splitlines()]
    assert [line for line in lines if line] == [f"python{PROJECT['requires-python']}", "pip", "pip:", "-e .[all]"]
    (named,) = re.findall(r"installs (.+?) and the rest", text.replace("\n# ", " "))
    assert set(named.split(", ")) >= {"torch", "torchvision", "gradio", "matplotlib", "captum", "numpy"}
    assert set(named.split(", ")) <= set(with_extras("all"))


def test_everything_imported_is_a_dependency():
    """A package that only happens to be installed would be missing elsewhere."""
    imported = third_party([*(ROOT / "dgrl").rglob("*.py"), *ROOT.glob("app.py")])
    assert {"torch", "timm", "numpy"} <= imported, "the imports were not found"
    providers = importlib.metadata.packages_distributions()
    dependencies = {canonical(name) for name in with_extras("all")}
    for name in sorted(imported - OPTIONAL):
        provided = {canonical(distribution) for distribution in providers.get(name, [name])}
        assert provided & dependencies, f"{name} (from {provided}) is no dependency"


def imports_of(path: Path) -> set[str]:
    """Return every module that a file imports, with dots; for `from a import b` both a and a.b."""
    result = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    never_run = {id(node) for block in blocks for statement in block.body for node in ast.walk(statement)}
    for node in ast.walk(tree):
        if id(node) in never_run:
            continue
        if isinstance(node, ast.Import):
            result |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            result |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return result


def third_party(paths: Iterable[Path]) -> set[str]:
    """Return the third-party packages that files import."""
    tops = {name.partition(".")[0] for path in paths for name in imports_of(path)}
    return tops - set(sys.stdlib_module_names) - {"dgrl"}


def reached_from(path: Path) -> set[Path]:
    """Return the repository's files that a program runs, including itself."""
    reached, waiting = set(), [path]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        for name in imports_of(path):
            parts = name.split(".")
            for count in range(1, len(parts) + 1):
                place = ROOT.joinpath(*parts[:count])
                waiting += [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
    return reached


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_file_is_large():
    large = {str(path.relative_to(ROOT)): path.stat().st_size for path in shipped_files()}
    assert len(large) > 20, "the files were not found"
    assert {name: size for name, size in large.items() if size > 20 * MEGABYTE} == {}


def test_nothing_is_pickled():
    suffixes = {".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".npy", ".joblib"}
    assert [path for path in shipped_files() if path.suffix in suffixes] == []
    # Pickles of protocol 2 and on, and torch's archives of them, whatever their name.
    for path in shipped_files():
        with path.open("rb") as file:
            start = file.read(2)
        assert not (start[:1] == b"\x80" and 2 <= start[-1] <= 5), path
        if start == b"PK":
            assert b"data.pkl" not in path.read_bytes(), path


def test_version_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+", dgrl.__version__)
    assert "version" in PROJECT["dynamic"], "the version would stand in two places"
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert dgrl.__version__ in versions[:2]  # the notes of the next version may have begun
    assert f"\nversion: {dgrl.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    try:
        installed = importlib.metadata.version("dgrl")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("dgrl is not installed, only found beside the tests")
    assert installed == dgrl.__version__


def test_importing_the_library_is_light():
    """`import dgrl` is for programs too: it must not bring in the app, attribution or drawing."""
    heavy = ["gradio", "captum", "matplotlib", "IPython", "anywidget", "accelerate", "py_sod_metrics", "typer"]
    code = f"import sys, dgrl; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_network_s_class_is_light():
    """timm, and with it torchvision and PyTorch's compiler, would double what its import takes."""
    heavy = ["timm", "torchvision", "torch._dynamo", "gradio"]
    code = f"import sys; from dgrl import DGRL; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_public_names_exist():
    for name in dgrl.__all__:
        assert getattr(dgrl, name).__doc__, f"{name} has no docstring"


def test_workflow_and_container_name_what_is_there():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    commands = re.findall(r"run: make (\S+)", workflow)
    assert {"check", "test", "slow"} <= set(commands) <= targets
    container = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = [name for line in re.findall(r"^COPY (.+) \S+$", container, re.MULTILINE) for name in line.split()]
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in let_in, name


def test_tests_without_a_browser_need_no_browser_package():
    with_browser = {"app", "explorer", "page", "web", "test_jupyterlab.py"}
    importing = []
    for path in (ROOT / "tests").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        at_import = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        modules = [getattr(node, "module", None) or node.names[0].name for node in at_import]
        if any(module.partition(".")[0] == "playwright" for module in modules):
            importing.append(path)
    assert importing, "the imports were not found"
    assert [path for path in importing if not with_browser & set(path.relative_to(ROOT / "tests").parts)] == []
