"""Exceptions that outlive their handler."""


def forget_frames(error: BaseException | None) -> None:
    """Drop the frames of an exception and of its causes.

    Needed if an object that keeps the exception is reachable from one of its frames (asyncio keeps it in the future
    that a frame awaits). That is a reference cycle with everything in those frames, such as a page or a request, and
    the garbage collector, which does not count bytes, may free it much later.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
