"""The names by which the keys of events and profiles tables are known without a constraint."""

#: Table that tells which tables have events, and which have profiles.
METADATA = "_metadata"

#: The key column of each type of table.
KEY_COLUMNS = {"events": "insert_id", "profiles": "distinct_id"}
