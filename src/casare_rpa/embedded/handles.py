"""Open files whose end means the death of this process, so that no forked child may keep them open."""

import os
import weakref


class Handle:
    """A file descriptor that is closed in every forked child; programs that are started do not get it either."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        _open_handles.add(self)

    @property
    def descriptor(self) -> int:
        """The open descriptor; raises ValueError when it is closed."""
        if self._descriptor is None:
            raise ValueError("the file is closed")
        return self._descriptor

    def close(self) -> None:
        """Close the file; once more does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_open_handles: "weakref.WeakSet[Handle]" = weakref.WeakSet()


def _close_in_child() -> None:
    for handle in list(_open_handles):
        handle.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
