"""What a class's attribute takes when it is called on an object: functions, and whatever else Python can call."""

from __future__ import annotations

import functools
import inspect
import sys
from types import FunctionType, MethodType
from typing import Any

from smanager.commands.record import CommandError


def signature_on_object(owner: type, name: str) -> inspect.Signature:
    """The signature of `owner`'s attribute as its objects' callers meet it, without `self`.

    Raises CommandError if it can never be called.
    """
    called, kept = getattr(owner, name), inspect.getattr_static(owner, name)
    home = getattr(kept, "__objclass__", None)
    if isinstance(home, type) and not issubclass(owner, home):
        raise CommandError(f"a method of {home.__name__} cannot be called on a service")
    # Built-ins, partial objects and callable objects are no descriptors: they are called without `self`.
    takes_self = hasattr(type(kept), "__get__") and not isinstance(kept, staticmethod | classmethod)
    if takes_self and isinstance(inspect.getattr_static(called, "__call__", None), FunctionType):
        called = inspect.unwrap(called)  # an object that is a descriptor too, which `signature` takes for a built-in
        called = called if isinstance(called, FunctionType) else called.__call__
    try:
        return inspect.signature(MethodType(called, owner) if takes_self else called)
    except TypeError as error:
        raise CommandError(f"it cannot be called: {error}") from None
    except ValueError as error:
        takes_nothing = "invalid method signature" in str(error)
        raise CommandError("the method has no parameter for `self`" if takes_nothing else str(error)) from None


def code_of(called: object) -> Any:
    """The function or the class that runs when something is called."""
    while isinstance(called, functools.partial):
        called = called.func
    called = inspect.unwrap(called)  # type: ignore[arg-type]  # it is callable
    return called if inspect.isroutine(called) or isinstance(called, type) else type(called).__call__


def names_of(called: object) -> dict[str, Any]:
    """The names that annotations in the code of a callable are made of."""
    code = code_of(called)
    return getattr(code, "__globals__", None) or vars(sys.modules.get(code.__module__ or "", sys))


def doc_of(owner: type, name: str) -> str:
    """The docstring of what runs when `owner`'s attribute is called."""
    called = getattr(owner, name)
    if isinstance(kept := inspect.getattr_static(owner, name), functools.partialmethod):
        called = kept.func
    while isinstance(called, functools.partial):
        called = called.func
    return inspect.getdoc(called) or ""
