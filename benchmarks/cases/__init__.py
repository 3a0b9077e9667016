"""The cases, by section."""

from importlib import import_module

#: The modules, in the order of the report.
<<<<<<< HEAD
MODULES = ("load", "files", "columnar", "growth", "migrations", "read", "start")
=======
MODULES = ("load", "files", "columnar", "growth", "read", "orm", "start")
>>>>>>> 6f7a2d79a02fcf173fd9944466e4ef24015b9b73


def load_all() -> None:
    """Import every module, which registers its cases."""
    for name in MODULES:
        import_module(f"{__name__}.{name}")
