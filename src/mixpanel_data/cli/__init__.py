"""The command ``mixpanel-data``.

In: what somebody types. Out: data on stdout, messages on stderr, an exit code.
"""
