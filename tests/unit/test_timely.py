"""What may hang is asked once at a time, and nobody waits for it longer than they said."""

from __future__ import annotations

import threading
import time

import pytest

from inventory_match.timely import Timely


def test_what_hangs_holds_up_one_thread_and_nobody_longer_than_they_said() -> None:
    release, asked = threading.Event(), list[int]()

    def ask() -> str:
        asked.append(1)
        assert release.wait(30)
        return "well"

    timely, began = Timely(ask), time.monotonic()
    for _ in range(5):
        with pytest.raises(TimeoutError, match=r"no answer for \d+\.\d s"):
            timely.answer(0.02)
    assert (len(asked), time.monotonic() - began < 5) == (1, True)
    release.set()
    assert timely.answer(30) == "well"
    assert len(asked) == 1


@pytest.mark.parametrize(("keep", "asked"), [(0.0, [1, 2, 3]), (60.0, [1, 1, 1])])
def test_an_answer_is_kept_for_as_long_as_it_may(keep: float, asked: list[int]) -> None:
    numbers = iter([1, 2, 3])
    timely = Timely(lambda: next(numbers), keep)
    assert [timely.answer(5) for _ in range(3)] == asked


def test_what_went_wrong_is_raised_where_the_answer_is_waited_for() -> None:
    def ask() -> None:
        raise TimeoutError("the server's own")

    with pytest.raises(TimeoutError, match="the server's own"):
        Timely(ask).answer(5)


def test_a_question_for_which_no_thread_could_be_had_is_asked_again() -> None:
    timely, before = Timely(lambda: "well", keep=60), threading.stack_size(2**47)  # more than a process may address
    try:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            timely.answer(5)
    finally:
        threading.stack_size(before)
    assert timely.answer(5) == "well"
