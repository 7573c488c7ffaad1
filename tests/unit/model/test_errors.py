"""The table of errors and the close codes keep their own rules."""

import pytest

from model.errors import CLOSE_CODES, ERRORS, CloseCode, ParleyError


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_has_the_values_of_its_row(code: str) -> None:
    error = ParleyError(code)
    assert (error.code, error.kind, error.message) == (code, ERRORS[code], ERRORS[code].message)
    assert (error.field, error.retry_after, error.id) == (None, None, None)
    assert 400 <= error.kind.status <= 599
    assert error.kind.message.isprintable()


def test_temporary_errors_have_a_retryable_status() -> None:
    """And no error that would recur has status 503."""
    for code, kind in ERRORS.items():
        assert kind.retryable or kind.status != 503, code
        assert not kind.retryable or kind.status in (429, 500, 503), code


def test_an_unknown_code_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        ParleyError("no_such_code")


@pytest.mark.parametrize("close", [close for close in CLOSE_CODES if close.reason], ids=lambda close: close.reason)
def test_close_codes_may_be_sent_in_a_close_frame(close: CloseCode) -> None:
    """RFC 6455 sections 7.4 and 5.5: a registered code or a private one, and the reason fits a control frame."""
    assert close.code in (1001, 1011, 1013) or 4000 <= close.code <= 4199
    assert 0 < len(close.reason.encode()) <= 123


def test_close_codes_are_distinct() -> None:
    assert len({close.code for close in CLOSE_CODES}) == len(CLOSE_CODES)
