"""The options that are one of a few words, for the library and the command, which loads little."""

from typing import Literal

OnConflict = Literal["ignore", "replace", "error"]
OnCollision = Literal["drop", "keep", "error"]
OnError = Literal["raise", "skip"]
IfExists = Literal["fail", "append", "replace"]
TimeUnit = Literal["auto", "s", "ms", "us"]
