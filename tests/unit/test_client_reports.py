"""What is said of an error that a handler raised on purpose."""

from __future__ import annotations

from hanzo_queues.client.reports import said


def raised(cause: BaseException | None, *, hidden: bool = False) -> BaseException:
    try:
        try:
            if cause is not None:
                raise cause
        except Exception as error:
            if hidden:
                raise ValueError("shown") from None
            raise ValueError("shown") from error
        raise ValueError("shown")
    except ValueError as error:
        return error


def test_what_it_was_raised_from_is_told_unless_it_was_hidden() -> None:
    assert said(raised(None)) == "ValueError: shown"
    assert said(raised(KeyError("cause"))) == "ValueError: shown (from KeyError: 'cause')"
    assert said(raised(KeyError("secret"), hidden=True)) == "ValueError: shown"


def test_errors_in_a_circle_come_to_an_end() -> None:
    one, other = ValueError("one"), KeyError("other")
    one.__cause__, other.__cause__ = other, one
    assert said(one) == "ValueError: one (from KeyError: 'other')"
