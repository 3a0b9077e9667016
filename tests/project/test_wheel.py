"""The wheel, installed outside of the repository, has its migrations."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from mixpanel_data.schema.versions import HEAD, REVISIONS
from tests.databases import make_database

ROOT = Path(__file__).parents[2]
PARTS = ("src", "migrations", "pyproject.toml", "README.md", "LICENSE", "alembic.ini")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, and the packages that it needs."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, source / part)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    run_command(*pip, *build, folder=folder)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    run_command(
        *pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel), folder=folder
    )
    # Its dependencies are those of this environment; what is installed here as editable is not.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    shutil.rmtree(source)
    return folder / "env" / "bin" / "python"


def run_command(*command: str | Path, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_installed_wheel_finds_its_migrations(python: Path, path: Path) -> None:
    make_database("original", path)
    script = """
import sys, warnings
from pathlib import Path
import mixpanel_data
from mixpanel_data import StorageEngine, migrate
print(Path(mixpanel_data.__file__).is_relative_to(sys.prefix))
migrate.upgrade(sys.argv[1], backup=True)
migrate.check(sys.argv[1])
print(migrate.status(sys.argv[1]).revision, [step.revision for step in migrate.history()])
with StorageEngine(sys.argv[1]) as storage:
    print(storage.execute_scalar("SELECT count(*) FROM events_jan"))
"""
    printed = run_command(
        python, "-W", "error", "-c", script, path, folder=path.parent
    ).splitlines()
    assert printed == ["True", f"{HEAD} {list(REVISIONS)}", "3"]


def test_the_wheel_has_all_that_alembic_needs(python: Path, path: Path) -> None:
    where = "import mixpanel_data.migrations as m; print(m.__path__[0])"
    folder = Path(run_command(python, "-c", where, folder=path.parent).strip())
    for name in ("alembic.ini", "env.py", "script.py.mako", "README.md"):
        assert (folder / name).read_text() == (ROOT / "migrations" / name).read_text()
    names = {file.name for file in (folder / "versions").glob("*.py")}
    assert names == {file.name for file in (ROOT / "migrations" / "versions").glob("*.py")}


def test_the_installed_alembic_ini_works_from_any_folder(python: Path, path: Path) -> None:
    where = "import mixpanel_data.migrations as m; print(m.__path__[0])"
    ini = Path(run_command(python, "-c", where, folder=path.parent).strip()) / "alembic.ini"
    alembic: list[str | Path] = [python, "-m", "alembic", "-c", ini, "-x", f"db={path}"]
    run_command(*alembic, "upgrade", "head", folder=path.parent)
    assert HEAD in run_command(*alembic, "current", folder=path.parent)
    assert "No new upgrade operations" in run_command(*alembic, "check", folder=path.parent)
    revision = ["revision", "--autogenerate", "-m", "Something new", "--rev-id", "9999"]
    run_command(*alembic, *revision, folder=path.parent)
    made = ini.parent / "versions" / "9999_something_new.py"
    try:
        assert "9999 (head), Something new." in run_command(*alembic, "history", folder=path.parent)
        run_command(*alembic, "upgrade", "head", folder=path.parent)
        assert "9999 (head)" in run_command(*alembic, "current", folder=path.parent)
    finally:
        made.unlink()
