"""What our tables look like and what a database has.

In: a connection. Out: Core tables, mapped classes, the catalog, the revision and its migrations.
"""
