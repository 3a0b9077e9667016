"""An application with tables of its own in the file that holds its Mixpanel data.

    python examples/orm_app.py [database file]

A small customer desk: it loads a month of events and the profiles, finds the users who export most
reports, opens a ticket for each of them, and prints the tickets with what Mixpanel knows. Run it
again with the same file: it goes on from there. Without a file it works in memory.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy import ForeignKey, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, foreign, mapped_column, relationship

from mixpanel_data import EventMixin, ProfileMixin, StorageEngine, TableMetadata, UtcDateTime

EVENTS = Path(__file__).with_name("events.jsonl.gz")
PROFILES = Path(__file__).with_name("profiles.jsonl.gz")


class Base(DeclarativeBase):
    """The application's models, ours among them."""


class Event(EventMixin, Base):
    """What users did. The columns come with the mixin."""

    __tablename__ = "events_jan"


class User(ProfileMixin, Base):
    """Who they are."""

    __tablename__ = "users"

    events: Mapped[list[Event]] = relationship(
        primaryjoin=lambda: User.distinct_id == foreign(Event.distinct_id), viewonly=True
    )


class Ticket(Base):
    """A table of the application's own, with a key that counts by itself."""

    __tablename__ = "tickets"

    id: Mapped[int] = mapped_column(primary_key=True)
    # No foreign key: profiles are fetched anew, and tickets outlive them.
    user_id: Mapped[str] = mapped_column(unique=True)
    subject: Mapped[str]
    opened: Mapped[datetime] = mapped_column(UtcDateTime)

    user: Mapped[User | None] = relationship(
        primaryjoin=lambda: foreign(Ticket.user_id) == User.distinct_id, viewonly=True
    )
    comments: Mapped[list[Comment]] = relationship(back_populates="ticket")


class Comment(Base):
    """Another one, which refers to the first."""

    __tablename__ = "comments"

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    text: Mapped[str]

    ticket: Mapped[Ticket] = relationship(back_populates="comments")


def load(storage: StorageEngine) -> None:
    """Fetch what is not there yet; loading again would add nothing anyway."""
    now = datetime.now(timezone.utc)
    if not storage.table_exists("events_jan"):
        storage.load_events_export("events_jan", EVENTS, TableMetadata("events", now))
    if not storage.table_exists("users"):
        storage.load_profiles_export("users", PROFILES, TableMetadata("profiles", now))
    Base.metadata.create_all(storage.engine)  # the application's own tables


def heavy_exporters(session: Session, limit: int) -> list[tuple[str, int]]:
    """Return the users with the most exports, and how many they made."""
    exports = func.count().label("exports")
    query = (
        select(Event.distinct_id, exports)
        .join(User, User.distinct_id == Event.distinct_id)
        .where(Event.event_name == "Report Exported")
        .group_by(Event.distinct_id)
        .order_by(exports.desc(), Event.distinct_id)
        .limit(limit)
    )
    return [(row.distinct_id, row.exports) for row in session.execute(query)]


def open_tickets(session: Session) -> int:
    """Open a ticket, with a comment, for every heavy user who has none; return how many."""
    known = set(session.scalars(select(Ticket.user_id)))
    now = datetime.now(timezone.utc)
    new = [
        Ticket(
            user_id=user_id,
            subject="Offer the reporting API",
            opened=now,
            comments=[Comment(text=f"{exports} exports in January")],
        )
        for user_id, exports in heavy_exporters(session, 5)
        if user_id not in known
    ]
    session.add_all(new)
    session.commit()
    return len(new)


def show(session: Session) -> None:
    """Print every ticket with the user's city and the day they were first seen."""
    for ticket in session.scalars(select(Ticket).order_by(Ticket.id)):
        properties = (ticket.user and ticket.user.properties) or {}
        events = ticket.user.events if ticket.user else []
        since = min(event.event_time for event in events)
        place = ascii(properties.get("$city", "?"))
        first, *_ = ticket.comments
        print(f"#{ticket.id} {ticket.user_id} in {place} since {since:%d %B}: {first.text}")


def main() -> None:
    """Run the application once."""
    _, *files = sys.argv
    with StorageEngine(files[0]) if files else StorageEngine.memory() as storage:
        load(storage)
        with storage.session() as session:
            print(f"{open_tickets(session)} tickets opened")
            show(session)


if __name__ == "__main__":
    main()
