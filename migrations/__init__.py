"""Alembic environment of the library; at the top of the repository as ``migrations``."""
