"""The tables of an application that shares its file with Mixpanel's events and profiles."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from mixpanel_data import EventMixin, ProfileMixin, UtcDateTime


class Base(DeclarativeBase):
    """What Alembic compares with the file, but for the first two."""


class Event(EventMixin, Base):
    """What users did: a table of the library, which is no business of these migrations."""

    __tablename__ = "events"


class User(ProfileMixin, Base):
    """Who they are: another one."""

    __tablename__ = "users"


class Ticket(Base):
    """Something to do for a user. No foreign key: profiles are fetched again, tickets stay."""

    __tablename__ = "tickets"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str]
    opened: Mapped[datetime] = mapped_column(UtcDateTime)

    comments: Mapped[list[Comment]] = relationship(back_populates="ticket")


class Comment(Base):
    """What was said about it."""

    __tablename__ = "comments"

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    text: Mapped[str]

    ticket: Mapped[Ticket] = relationship(back_populates="comments")
