"""SQL that nobody has read: its limits, what it may contain, how long it may take."""
