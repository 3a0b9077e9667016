"""Documents of mapped objects: the session saves a change inside one, at any depth.

A document is tracked from the first time that its object's attribute is read, and what is nested in
it likewise, so loading takes no longer. A query for a column returns plain dicts. This module needs
the ORM.

SQLAlchemy's ``MutableDict`` would save changes of the top level only, take half the time again that
loading objects takes, and lose the change in ``session.get(Event, key).properties["x"] = 1``, where
nothing refers to the object any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import event, inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm.attributes import flag_modified

from mixpanel_data.schema.tables import TRACKED

_T = TypeVar("_T", bound=type[Any])


def _with_hook(hook: str, *names: str) -> Callable[[_T], _T]:
    """Let inherited methods of a container call one of its own before they do anything."""

    def hooked(original: Callable[..., Any]) -> Callable[..., Any]:
        def method(self: Any, *arguments: Any, **options: Any) -> Any:
            getattr(self, hook)()
            return original(self, *arguments, **options)

        return method

    def decorate(container: _T) -> _T:
        for name in names:
            setattr(container, name, hooked(getattr(container, name)))
        return container

    return decorate


@_with_hook("_will_change", "__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem")
@_with_hook("_will_change", "update")
@_with_hook("_track_all", "__iter__", "__or__", "__ror__", "copy", "items", "values")
class TrackedDict(dict[Any, Any]):
    """A dict in a document. Its copies, also by pickle, are plain dicts."""

    # ``__iter__`` is here because ``dict(document)`` would not call any method otherwise.

    __slots__ = ("_root",)

    _root: Document

    def __getitem__(self, key: Any) -> Any:
        return self._track(key, super().__getitem__(key))

    def get(self, key: Any, default: Any = None) -> Any:
        """Return a member, or the default."""
        if key not in self:
            return default
        return self[key]

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Return a member, which is the default if there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (dict.copy(self),)

    def _track(self, key: Any, value: Any) -> Any:
        tracked = _tracked(value, self)
        if tracked is not value:
            super().__setitem__(key, tracked)
        return tracked

    def _track_all(self) -> None:
        for key, value in dict.items(self):
            self._track(key, value)

    def _will_change(self) -> None:
        _will_change(self)


@_with_hook("_will_change", "__setitem__", "__delitem__", "__iadd__", "__imul__", "append", "clear")
@_with_hook("_will_change", "extend", "insert", "pop", "remove", "reverse", "sort")
@_with_hook("_track_all", "__iter__", "__reversed__", "__add__", "__mul__", "__rmul__", "copy")
class TrackedList(list[Any]):
    """A list in a document. Its copies, also by pickle, are plain lists."""

    __slots__ = ("_root",)

    _root: Document

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return list(self)[index]
        return self._track(index, super().__getitem__(index))

    def __radd__(self, other: list[Any]) -> list[Any]:
        return other + list(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return list, (list.copy(self),)

    def _track(self, index: int, value: Any) -> Any:
        tracked = _tracked(value, self)
        if tracked is not value:
            super().__setitem__(index, tracked)
        return tracked

    def _track_all(self) -> None:
        for index in range(len(self)):
            self[index]

    def _will_change(self) -> None:
        _will_change(self)


class Document(TrackedDict):
    """The value of an object's attribute.

    It keeps the object alive, which a session does not do.
    """

    __slots__ = ("_instance", "_is_replaced", "_key")

    _instance: Any
    _is_replaced: bool
    _key: str

    def is_of(self, instance: Any, key: str) -> bool:
        """Tell whether this is, or was, the value of an attribute."""
        return getattr(self, "_instance", None) is instance and self._key == key

    def replace(self) -> None:
        """Remember that the application assigned another value.

        Containers of this document may be in the new one, so changes still count.
        """
        self._is_replaced = True

    def will_change(self) -> None:
        """Let the session of the object save it."""
        state = inspect(self._instance)
        is_replaced = getattr(self, "_is_replaced", False)
        if state.dict.get(self._key) is self or (is_replaced and self._key in state.dict):
            flag_modified(self._instance, self._key)
        elif state.session is not None and not is_replaced:
            raise InvalidRequestError(
                f"This document is no longer {type(self._instance).__name__}.{self._key}, which a "
                "commit, rollback or refresh has expired. Read the attribute again and change what "
                "it returns, or change a copy: dict(document)."
            )


def _root_of(container: Any) -> Document | None:
    """Return the document that a container is in, None if it is in none."""
    root = container if type(container) is Document else getattr(container, "_root", None)
    return root if hasattr(root, "_instance") else None


def _will_change(container: TrackedDict | TrackedList) -> None:
    if (root := _root_of(container)) is not None:
        root.will_change()


def _tracked(value: Any, parent: TrackedDict | TrackedList) -> Any:
    """Return a container as one of its parent's document: itself or a copy; else the value."""
    if not isinstance(value, (dict, list)):
        return value
    root, other = _root_of(parent), getattr(value, "_root", None)
    if root is None or other is root:
        return value
    if other is not None and other.is_of(root._instance, root._key):
        made: Any = value
    else:
        made = TrackedDict(value) if isinstance(value, dict) else TrackedList(value)
    made._root = root
    return made


class DocumentAttribute(InstrumentedAttribute[Any]):
    """A mapped attribute that returns tracked documents."""

    __slots__ = ()

    def __get__(self, instance: Any, owner: Any) -> Any:
        value = super().__get__(instance, owner)
        if instance is None or not isinstance(value, dict):
            return value
        document = self._document_of(instance, value)
        if document is not value:
            inspect(instance).dict[self.key] = document
        return document

    def __set__(self, instance: Any, value: Any) -> None:
        before = inspect(instance).dict.get(self.key)
        if type(before) is Document and before is not value:
            before.replace()
        if type(value) is Document:
            value = self._document_of(instance, value)
        super().__set__(instance, value)

    def _document_of(self, instance: Any, value: Any) -> Document:
        if type(value) is Document and value.is_of(instance, self.key):
            return value
        document = Document(value)
        document._instance = instance
        document._key = self.key
        return document


def track_documents(mixin: type[Any]) -> None:
    """Track the documents of all classes that will be mapped with a mixin.

    Columns whose ``info`` has :data:`TRACKED` hold them.
    """
    event.listen(mixin, "attribute_instrument", _track)


def _track(mapped: type[Any], key: str, attribute: InstrumentedAttribute[Any]) -> None:
    if any(TRACKED in column.info for column in getattr(attribute.property, "columns", ())):
        # SQLAlchemy makes the attributes, and takes no class for them.
        attribute.__class__ = DocumentAttribute
