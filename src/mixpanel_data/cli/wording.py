"""Messages of the library in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

#: Patterns, with what to say in the place of what they find.
Words = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]

#: What Python calls something, and what it is called here.
_WORDS: Words = [
    (r"\bwith 'replace'", "with --if-exists replace"),
    (r"\block_timeout=seconds", "--lock-timeout SECONDS"),
    (r"\boverwrite=True", "--overwrite"),
    (r"\bmax_decompressed_bytes", "--max-decompressed-bytes"),
    (r"[Oo]pen it with migrate=True, or upgrade it:", "upgrade it:"),
    (r"several processes can read at once when all of them use read_only=True", "readers share it"),
    (r"Open it for writing: without read_only=True, or for the command query with --write",
     "Open it for writing with --write"),
    (r", a table with drop_table\(\)", ": drop does that"),
    (r"Load it with load_events_export\(\)", "Load it without --profiles"),
    (r"Load it with load_profiles_export\(\)", "Load it with --profiles"),
    (r"Open it with StorageEngine\(\); copy_table\(\) copies its tables",
     "export writes its tables to files, which load reads"),
    (r"^(lock_timeout|memory_limit|timeout) is ", lambda found: f"{_option(found[1])} is "),
    (r", or None for no limit", ""),
    (r"; sqlalchemy\.create_engine\(\) takes [^ ]+PATH\.", "."),
    (r"execute_rows\(\) runs any statement", "query --write runs any statement"),
    (r"PropertyColumn\('(.*)', name=\.\.\.\)", r"'\1 AS name'"),
    (r"use read_only=True, and it must", "it must"),
    (r"Lake\('postgresql://HOST/DATABASE', data_path=\.\.\.\)", "the URL of a lake"),
    (r"open the database once without read_only=True", "open it once with query --write"),
    (r"mixpanel_data\.migrate\.history\(\) lists the revisions",
     "migrate status tells that of the database and the newest"),
    (r"\bTableMetadata\.", ""),
    (r"\bformat is None", "there is no --format"),
    (r"\blist_tables\(\) names the tables there are; create_\w+\(\) and create_\w+\(\) make",
     "The command tables names the tables there are; load makes"),
    (r"StorageEngine\(path\) creates a database", "load creates a database"),
]  # fmt: skip

#: Commands that do what methods do.
_COMMANDS = {
    "add_property_columns": "columns add",
    "drop_property_columns": "columns drop",
    "drop_table": "drop",
    "event_breakdown": "breakdown",
    "execute_rows": "query",
    "list_tables": "tables",
    "load_events_export": "load",
    "load_profiles_export": "load --profiles",
    "property_columns": "columns list",
    "property_coverage": "coverage",
    "property_keys": "keys",
    "property_stats": "stats",
    "rename_table": "rename",
}
_METHOD = re.compile(rf"\b({'|'.join(_COMMANDS)})\(\)")

#: Options that are one of a few words.
_OPTION = re.compile(r"\b(if_exists|on_error|on_conflict|on_collision|time_unit)='(\w+)'")


def reworded(message: str, words: Words) -> str:
    """Return a message with what stands for each pattern in its place, in their order."""
    for pattern, here in words:
        message = re.sub(pattern, here, message)
    return message


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def in_words_of_the_command(message: str) -> str:
    """Return a message with the options and commands that do what it advises.

    Example:
        >>> in_words_of_the_command("Use on_error='skip' or overwrite=True.")
        'Use --on-error skip or --overwrite.'
    """
    message = reworded(message, _WORDS)
    message = _METHOD.sub(lambda found: _COMMANDS[found[1]], message)
    return _OPTION.sub(lambda found: f"{_option(found[1])} {found[2]}", message)


#: What checks the values of options says of them, and what is said here.
_USAGE: Words = [
    (r"^Value error, ", ""),
    (r"^Input should be greater than or equal to (\S+)$", r"Use \1 or more."),
    (r"^Input should be a valid integer.*", "Use a whole number."),
    (r"^Input should be a valid number.*", "Use a number."),
    # Those of older versions of typer.
    (r"^\S+ is not in the range x>=(\S+)\.$", r"Use \1 or more."),
    (r"^.* is not a valid integer range\.$", "Use a whole number."),
    (r"^.* is not a valid float\.$", "Use a number."),
]


def in_words_of_usage(message: str) -> str:
    """Return what is wrong with a value of an option, without the words of what checks it.

    Example:
        >>> in_words_of_usage("Input should be greater than or equal to 1")
        'Use 1 or more.'
    """
    return reworded(message, _USAGE)
