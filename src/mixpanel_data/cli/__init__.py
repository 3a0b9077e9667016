"""The command ``mixpanel-data``, and the MCP server.

In: what somebody types, or an agent calls. Out: data on stdout, messages on stderr, an exit code.
"""
