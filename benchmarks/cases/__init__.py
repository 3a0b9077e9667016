"""The cases, by section."""

from importlib import import_module

#: The modules, in the order of the report.
MODULES = (
    "load",
    "files",
    "columnar",
    "shapes",
    "growth",
    "migrations",
    "read",
    "properties",
    "orm",
    "start",
    "lake",
)


def load_all() -> None:
    """Import every module, which registers its cases."""
    for name in MODULES:
        import_module(f"{__name__}.{name}")
