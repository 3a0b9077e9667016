"""A web service over one database file: FastAPI, one engine, work in threads.

    pip install mixpanel_data fastapi uvicorn
    DATABASE=mixpanel.db uvicorn --app-dir examples/service app:app

DuckDB has no asynchronous client, so each request does its work in a thread, and the event loop
stays free. One process owns the file: start one worker. Two requests that change the same rows
conflict; the later one is run again.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime, timezone
from typing import Any, TypeVar

from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase

from mixpanel_data import (
    EventMixin,
    MixpanelDataError,
    ProfileMixin,
    RecordError,
    StorageEngine,
    TableMetadata,
    WriteConflictError,
)
from mixpanel_data.dialect.driver.module import WriteConflictException

ATTEMPTS = 20

#: Seconds of the longest pause between two attempts.
LONGEST_PAUSE = 0.2

Result = TypeVar("Result")


class Base(DeclarativeBase):
    """The models of the service."""


class Event(EventMixin, Base):
    """What users did."""

    __tablename__ = "events"


class User(ProfileMixin, Base):
    """Who they are."""

    __tablename__ = "users"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the engine when the service starts, and close it when it ends."""
    path = os.environ.get("DATABASE", "mixpanel.db")
    with StorageEngine(path, lock_timeout=10) as storage:
        Base.metadata.create_all(storage.engine)
        app.state.storage = storage
        app.state.loads = asyncio.Lock()  # loads of one table take turns: that is no slower
        yield


app = FastAPI(title="Events", lifespan=lifespan)


def is_conflict(error: Exception) -> bool:
    """Tell whether work failed only because other work changed the same rows.

    An ``IntegrityError`` is one as well: two requests have added the same user at once.
    """
    return isinstance(error, WriteConflictError | IntegrityError) or (
        isinstance(error, OperationalError) and isinstance(error.orig, WriteConflictException)
    )


async def run(work: Callable[..., Result], *arguments: Any) -> Result:
    """Run work in a thread, and again after a conflict, each time after a longer pause.

    Raises:
        HTTPException: Still a conflict after the last attempt: 503.
    """
    for attempt in range(ATTEMPTS):
        try:
            return await asyncio.to_thread(work, *arguments)
        except (WriteConflictError, IntegrityError, OperationalError) as error:
            if not is_conflict(error):
                raise
        await asyncio.sleep(random.uniform(0, min(0.01 * 2**attempt, LONGEST_PAUSE)))
    raise HTTPException(503, "Others are changing the same rows.", {"Retry-After": "1"})


@app.exception_handler(MixpanelDataError)
async def refuse(request: Request, error: MixpanelDataError) -> JSONResponse:
    """Answer an error of the library: 422 where the request is wrong, else 500."""
    status = 422 if isinstance(error, RecordError) else 500
    return JSONResponse({"detail": error.message}, status)


# What a thread does. A session belongs to one thread, so it is opened and closed here.


def add_events(storage: StorageEngine, events: list[dict[str, Any]]) -> dict[str, int]:
    """Add events that are not there yet."""
    metadata = TableMetadata("events", datetime.now(timezone.utc))
    result = storage.load_events_export("events", events, metadata, if_exists="append")
    return {"added": result.added, "duplicates": result.duplicates}


def count_events(storage: StorageEngine, event: str | None, since: date | None) -> dict[str, int]:
    """Count events by day."""
    counted = storage.daily_counts("events", event, from_date=since)
    days: dict[str, int] = {}
    for each in counted.counts:
        days[str(each.date)] = days.get(str(each.date), 0) + each.count
    return days


def find_user(storage: StorageEngine, user_id: str) -> dict[str, Any]:
    """Return the profile of a user."""
    with storage.session() as session:
        user = session.get(User, user_id)
        if user is None:
            raise HTTPException(404, "There is no such user.")
        return dict(user.properties or {})


def add_tag(storage: StorageEngine, user_id: str, tag: str) -> list[str]:
    """Add a tag to a user, who may be new."""
    with storage.session() as session:
        user = session.get(User, user_id)
        if user is None:
            user = User(distinct_id=user_id, properties={})
            session.add(user)
        tags = user.properties.setdefault("tags", [])
        if tag not in tags:
            tags.append(tag)
        found = list(tags)
        session.commit()
        return found


# The endpoints.


@app.post("/events")
async def post_events(request: Request, events: list[dict[str, Any]]) -> dict[str, int]:
    """Take events as Mixpanel has them: ``{"event": …, "properties": {…}}``."""
    async with request.app.state.loads:
        return await run(add_events, request.app.state.storage, events)


@app.get("/events/daily")
async def get_daily(
    request: Request, event: str | None = None, since: date | None = None
) -> dict[str, int]:
    """Return how many events there were on each day."""
    return await run(count_events, request.app.state.storage, event, since)


@app.get("/users/{user_id}")
async def get_user(request: Request, user_id: str) -> dict[str, Any]:
    """Return what is known of a user."""
    return await run(find_user, request.app.state.storage, user_id)


@app.post("/users/{user_id}/tags")
async def post_tag(
    request: Request, user_id: str, tag: str = Body(embed=True, min_length=1)
) -> list[str]:
    """Add a tag to a user."""
    return await run(add_tag, request.app.state.storage, user_id, tag)
