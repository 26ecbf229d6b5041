"""Functions of other people's libraries, watched while autolog is on and put back exactly as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from types import FunctionType
from typing import Any

from renex_jupyter.errors import told, warn

MISSING: Any = object()  # what an owner has under a name that it inherits


@dataclass
class Call:
    """One call of a watched function; who watches may change what is given to it, and sees how it ended."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """One watched function: `stop` puts back what was there, or passes every call on where others patched over it."""

    owner: Any  # class or module
    name: str
    before: Any  # what the owner itself had under the name; missing where it inherited it
    wrapper: Any
    on: list[bool] = field(default_factory=lambda: [True])

    def stop(self) -> None:
        """Watch no more."""
        self.on[0] = False
        if vars(self.owner).get(self.name) is not self.wrapper:
            return  # somebody else's function calls ours, which from now on only passes on
        if self.before is MISSING:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.before)


Around = Callable[[Call], Iterator[None]]


def watch(owner: Any, name: str, around: Around, patches: list[Patch]) -> None:
    """Watch a plain function of a class or a module, where there is one of this name.

    Parameters
    ----------
    patches : to which it is added.
    around : a generator that yields once, at the moment of the call. What it raises is told and costs the call nothing:
        that goes on with its own arguments, and gives its own value or its own exception.
    """
    original = getattr(owner, name, None)
    if not isinstance(original, FunctionType):
        return
    on = [True]

    @wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if not on[0]:
            return original(*args, **kwargs)
        call = Call(args, dict(kwargs))
        watching = _begun(around, call, args, kwargs)
        try:
            call.result = original(*call.args, **call.kwargs)
        except BaseException as error:
            call.error = error
            raise
        finally:
            _ended(watching)
        return call.result

    before = vars(owner).get(name, MISSING)
    setattr(owner, name, watched)
    patches.append(Patch(owner, name, before, watched, on))


def _begun(around: Around, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[None] | None:
    watching = around(call)
    try:
        next(watching)
    except Exception as error:  # noqa: BLE001  whatever it is, it is our fault and not the user's
        call.args, call.kwargs = args, dict(kwargs)
        warn(f"autolog misses a call: {told(error)}; the call itself goes on.")
        return None
    return watching


def _ended(watching: Iterator[None] | None) -> None:
    if watching is None:
        return
    try:
        next(watching)
    except StopIteration:
        pass
    except Exception as error:  # noqa: BLE001  as above
        warn(f"autolog misses the end of a call: {told(error)}; the call itself is done.")
