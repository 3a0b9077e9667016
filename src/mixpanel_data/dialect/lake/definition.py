"""``Lake`` and ``S3``: where a lake is, and what its connections need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args
from urllib.parse import quote, unquote, urlsplit

from mixpanel_data.common.homes import expanded
from mixpanel_data.common.secret import Secret

if TYPE_CHECKING:
    from sqlalchemy import URL

#: What the files of an events table are partitioned by.
Partition = Literal["year", "month", "day"]

_CATALOGS = ("postgresql", "postgres")
_PORT = 5432

#: What a lake's URL may say beside the fields of :class:`Lake`: libpq's settings, no secrets.
CONNECTION_SETTINGS = (
    "connect_timeout",
    "keepalives_idle",
    "passfile",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "tcp_user_timeout",
)

_S3_SETTINGS = {"s3_region": "region", "s3_endpoint": "endpoint", "s3_url_style": "url_style"}

_MOTHERDUCK = (
    "md: is MotherDuck, a service that mixpanel_data does not work with. Use the path of a file, "
    "or Lake('postgresql://HOST/DATABASE', data_path=...)."
)


@dataclass(frozen=True)
class S3:
    """An S3 object store, or another with the same interface.

    Args:
        key_id: Access key. Without one, the credentials are those that Amazon's own tools find:
            environment, profile, or role of the machine.
        secret: Secret key.
        session_token: Token of temporary credentials.
        region: Region of the bucket.
        endpoint: ``host:port`` of a store that is not Amazon's.
        url_style: ``"vhost"`` or ``"path"``: where the bucket stands in a URL.
        use_ssl: Use https.

    Raises:
        ValueError: A key without its secret, or an unknown ``url_style``.

    Example:
        >>> S3(key_id="loader", secret="secret", endpoint="localhost:9000", url_style="path").secret
        Secret(...)
    """

    key_id: str | None = None
    secret: Secret | str | None = field(default=None, repr=False)
    session_token: Secret | str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint: str | None = None
    url_style: Literal["vhost", "path"] = "vhost"
    use_ssl: bool = True

    def __post_init__(self) -> None:
        for name in ("secret", "session_token"):
            object.__setattr__(self, name, Secret.of(getattr(self, name)))
        if (self.key_id is None) != (self.secret is None):
            raise ValueError("S3 needs key_id and secret together, or neither of them.")
        if self.url_style not in ("vhost", "path"):
            raise ValueError(f"url_style is {self.url_style!r}. Use 'vhost' or 'path'.")


@dataclass(frozen=True)
class Lake:
    """A DuckLake: tables whose catalog is in PostgreSQL and whose rows are in Parquet files.

    Many machines can load into it and query it at once. ``StorageEngine(Lake(...))`` opens it, and
    creates it in an empty database. Needs the extra ``lake``; see ``docs/lake.md``.

    Args:
        catalog: URL of the PostgreSQL database, ``postgresql://user@host:port/database``, with
            settings of libpq such as ``?sslmode=require``. A password in it is kept as a secret.
        data_path: Where the Parquet files go: a folder that all machines share, or a URL such as
            ``s3://bucket/folder``.
        password: Password of the catalog's user. Without one, libpq's ways apply, such as
            ``PGPASSWORD`` and ``~/.pgpass``.
        storage: Credentials for ``data_path``, where it needs some.
        partition_by: ``"year"``, ``"month"`` or ``"day"`` of ``event_time`` for the files of new
            events tables, None for no partitions.
        as_of: Read the lake as it was: the number of a snapshot, or a time. The engine is read-only
            then.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: It is no lake: the message says what is wrong.

    Example:
        >>> lake = Lake("postgresql://loader@db.example.com/events", data_path="s3://bucket/events")
        >>> print(lake)
        postgresql://db.example.com/events
    """

    catalog: str
    data_path: str
    password: Secret | str | None = field(default=None, repr=False)
    storage: S3 | None = None
    partition_by: Partition | None = "month"
    as_of: int | datetime | None = None

    def __post_init__(self) -> None:
        catalog, password = _without_password(self.catalog)
        object.__setattr__(self, "catalog", catalog)
        object.__setattr__(self, "password", Secret.of(self.password or password))
        object.__setattr__(self, "data_path", _data_path(self.data_path))
        if self.storage is None and self.data_path.startswith("s3://"):
            object.__setattr__(self, "storage", S3())
        if self.partition_by not in (None, *get_args(Partition)):
            raise ValueError(
                f"partition_by is {self.partition_by!r}. Use one of {get_args(Partition)}, or None."
            )
        if isinstance(self.as_of, bool) or not isinstance(self.as_of, int | datetime | None):
            raise TypeError(
                f"as_of is {self.as_of!r}. Use the number of a snapshot, or a datetime."
            )

    @classmethod
    def from_url(cls, url: str | URL) -> Lake:
        """Return the lake of a URL for SQLAlchemy.

        Args:
            url: ``duckdb+mixpanel://user@host:port/database?lake=postgresql&data_path=…``, with
                ``partition_by``, ``as_of``, ``s3_region``, ``s3_endpoint``, ``s3_url_style``,
                ``s3_use_ssl`` and libpq's settings where needed. S3's keys do not go into URLs.

        Raises:
            ValueError: It is not the URL of a lake.

        Example:
            >>> Lake.from_url(
            ...     "duckdb+mixpanel://me@db/events?lake=postgresql&data_path=/mnt/events"
            ... ).data_path
            '/mnt/events'
        """
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):  # whose message may contain part of a password
            raise ValueError("The text is no URL. Use duckdb+mixpanel://...?lake=...") from None
        return _from_query(cls, parsed)

    @property
    def host(self) -> str:
        """Host of the catalog."""
        return urlsplit(self.catalog).hostname or "localhost"

    @property
    def port(self) -> int:
        """Port of the catalog."""
        return urlsplit(self.catalog).port or _PORT

    @property
    def database(self) -> str:
        """PostgreSQL's name of the catalog's database."""
        return unquote(urlsplit(self.catalog).path[1:])

    @property
    def user(self) -> str | None:
        """User of the catalog, None for libpq's default."""
        found = urlsplit(self.catalog).username
        return None if found is None else unquote(found)

    @property
    def connection_settings(self) -> dict[str, str]:
        """The settings of libpq."""
        return _settings(urlsplit(self.catalog).query)

    @property
    def url(self) -> URL:
        """The URL for SQLAlchemy, without secrets."""
        from sqlalchemy import URL

        query: dict[str, str] = {"lake": "postgresql", "data_path": self.data_path}
        query |= {"partition_by": self.partition_by or "none"}
        if self.as_of is not None:
            query["as_of"] = str(self.as_of)
        if self.storage is not None:
            for name, attribute in _S3_SETTINGS.items():
                if (value := getattr(self.storage, attribute)) is not None:
                    query[name] = value
            query["s3_use_ssl"] = str(self.storage.use_ssl).lower()
        return URL.create(
            "duckdb+mixpanel",
            username=self.user,
            host=self.host,
            port=urlsplit(self.catalog).port,
            database=self.database,
            query=query | self.connection_settings,
        )

    def __str__(self) -> str:
        """Return the place of the catalog, without user and settings."""
        port = "" if self.port == _PORT else f":{self.port}"
        return f"postgresql://{self.host}{port}/{self.database}"


def is_lake(url: URL) -> bool:
    """Tell whether a URL for SQLAlchemy is that of a lake."""
    return "lake" in url.query


def refuse_motherduck(target: object) -> None:
    """Raise for the name of a MotherDuck database.

    Raises:
        ValueError: It is one.
    """
    if str(target).lower().startswith(("md:", "motherduck:")):
        raise ValueError(_MOTHERDUCK)


def _without_password(catalog: str) -> tuple[str, str | None]:
    """Return the URL of a catalog without its password, and that."""
    if not isinstance(catalog, str):
        kind = type(catalog).__name__
        raise TypeError(f"The catalog is a {kind}. Use a URL: postgresql://user@host/database.")
    refuse_motherduck(catalog)
    try:
        parts = urlsplit(catalog)
        port = parts.port
    except ValueError:  # whose message may contain part of a password
        raise ValueError("The catalog is no URL. Use postgresql://user@host/database.") from None
    if parts.scheme not in _CATALOGS:
        raise ValueError(
            f"A lake's catalog is a PostgreSQL database, not {parts.scheme or 'a path'!r}. "
            "Use postgresql://user@host/database."
        )
    if not parts.path[1:]:
        raise ValueError("The catalog names no database. Use postgresql://user@host/database.")
    _settings(parts.query)
    user = "" if parts.username is None else f"{parts.username}@"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    place = f"{user}{host}{'' if port is None else f':{port}'}"
    plain = f"postgresql://{place}{parts.path}" + (f"?{parts.query}" if parts.query else "")
    return plain, None if parts.password is None else unquote(parts.password)


def _settings(query: str) -> dict[str, str]:
    """Return the settings of libpq in the query of a URL."""
    found: dict[str, str] = {}
    for entry in filter(None, query.split("&")):
        name, _, value = entry.partition("=")
        if name not in CONNECTION_SETTINGS:
            raise ValueError(
                f"The catalog's URL has a setting {name!r}. Known are: "
                f"{', '.join(CONNECTION_SETTINGS)}."
            )
        found[name] = unquote(value)
    return found


def _data_path(given: object) -> str:
    if not isinstance(given, str | Path):
        raise TypeError(f"data_path is {given!r}. Use a folder, or a URL such as s3://bucket/path.")
    text = str(given)
    if not text or "\0" in text:
        raise ValueError("data_path is empty. Use a folder, or a URL such as s3://bucket/path.")
    if "://" in text:
        return text.rstrip("/")
    return str(expanded(text).absolute())


def _from_query(cls: type[Lake], url: URL) -> Lake:
    """Return the lake of a parsed URL."""
    query: Mapping[str, Any] = url.query
    if query.get("lake") not in _CATALOGS:
        raise ValueError(
            "It is not the URL of a lake. Use "
            "duckdb+mixpanel://user@host/database?lake=postgresql&data_path=..."
        )
    if "data_path" not in query:
        raise ValueError("The URL has no data_path. Add &data_path= and where the files are.")
    own = {"lake", "data_path", "partition_by", "as_of", "s3_use_ssl", *_S3_SETTINGS}
    settings = {name: value for name, value in query.items() if name not in own}
    storage = {_S3_SETTINGS[name]: query[name] for name in _S3_SETTINGS.keys() & query.keys()}
    if "s3_use_ssl" in query:
        storage["use_ssl"] = query["s3_use_ssl"].lower() not in ("false", "0", "no", "off")
    partition = query.get("partition_by", "month")
    user = "" if url.username is None else f"{quote(url.username, safe='')}@"
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host or ""
    port = "" if url.port is None else f":{url.port}"
    libpq = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in settings.items())
    return cls(
        f"postgresql://{user}{host}{port}/{quote(url.database or '', safe='')}"
        + (f"?{libpq}" if libpq else ""),
        data_path=query["data_path"],
        password=None if url.password is None else str(url.password),
        storage=S3(**storage) if storage else None,
        partition_by=None if partition == "none" else cast("Partition", partition),
        as_of=_moment(query["as_of"]) if "as_of" in query else None,
    )


def _moment(text: str) -> int | datetime:
    return int(text) if text.isdecimal() else datetime.fromisoformat(text)
