"""Exceptions that outlive their handler."""

from __future__ import annotations


def forget_frames(error: BaseException | None) -> None:
    """Let an exception, and those that led to it, go of their frames.

    Needed where somebody keeps the exception and can be reached from one of its frames (asyncio keeps it in the future
    that a frame waits for): a cycle with everything those frames know, such as a page or a request. The collector may
    find it much later, as bytes are nothing to it.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
