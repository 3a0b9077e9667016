"""What went wrong on the way to data from afar, without what is secret in an address."""

from __future__ import annotations

import re

#: Packages whose errors, while data are read, are of the network or of the other side. What a
#: stream of the caller raises otherwise is the caller's.
_PACKAGES = {
    *("aiohttp", "botocore", "gcsfs", "google", "http", "httpcore", "httpx", "httpx2"),
    *("requests", "s3fs", "urllib3"),
}

#: What the other side answers where there is nothing.
_NOTHING = {404, 410}

#: User and password, or the query of a URL: signed ones have keys there.
_SECRET = re.compile(r"(?<=://)[^/@\s'\"]*@|\?[^\s'\")>]*")


def is_of_network(error: BaseException) -> bool:
    """Tell whether a client has lost its connection, by the package of what it raised."""
    return any(kind.__module__.partition(".")[0] in _PACKAGES for kind in type(error).__mro__)


def is_missing(error: FileNotFoundError) -> bool:
    """Tell whether there is nothing, and not only no answer: fsspec raises the same for both."""
    cause = error.__cause__
    return cause is None or isinstance(cause, FileNotFoundError) or status_of(cause) in _NOTHING


def status_of(error: BaseException) -> int | None:
    """Return the status that a server has answered, None where it has not."""
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else None


def reason_of(error: BaseException) -> str:
    """Return why something could not be read.

    Example:
        >>> reason_of(ValueError("no answer from https://a:b@host/x?key=secret"))
        'no answer from https://host/x'
    """
    if (status := status_of(error)) is not None:
        return f"the server answers {status} {getattr(error, 'message', '')}".rstrip()
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return _SECRET.sub("", str(text)).rstrip(".")
