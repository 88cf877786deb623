"""What the author of a service subclasses; there is nothing else to learn."""

from __future__ import annotations


class SService:
    """A service: its `cmd_` methods are the commands that people, scripts and programs may give it.

    The first line of a method's docstring is its summary in lists. The words that a caller types are
    bound to the method's positional parameters. A `toplevel_cmd_` method also runs without the
    service's name. What a command returns is shown: a str as it is, nothing for None, and the items
    of an iterator one by one as they come. Every method may be `async`.

    Commands run in threads of the service's own process, several at once; `async` ones share one event
    loop there.
    """

    name: str = ""
    """What people call the service; the class's name in lower case where it is empty."""

    def start(self) -> object:
        """Called once, before the first command; an exception here means that the service failed."""
        return None

    def run(self) -> object:
        """The service's own long-running work, if it has any; it should return soon after `stop`."""
        return None

    def stop(self) -> object:
        """Told to end: release what is held, and let `run` return."""
        return None
