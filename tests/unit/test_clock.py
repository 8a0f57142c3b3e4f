from __future__ import annotations

from hanzo_queues.server.clock import Clock


class Hands:
    """A wall and a monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.monotonic = 50.0

    def pass_ms(self, ms: float) -> None:
        self.wall += ms
        self.monotonic += ms

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.monotonic)


def test_follows_the_wall_clock() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.pass_ms(1234)
    assert clock.now_ms() == 1_001_234


def test_a_jump_forward_ends_no_lease_early() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall += 300_000
    hands.pass_ms(30_000)
    assert 1_030_000 < clock.now_ms() <= 1_033_000


def test_a_wall_clock_far_ahead_is_believed() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall += 50 * 365 * 86_400_000
    hands.pass_ms(1000)
    assert clock.now_ms() == int(hands.wall)


def test_a_jump_back_freezes_no_timer() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall -= 3_600_000
    hands.pass_ms(30_000)
    assert 1_027_000 <= clock.now_ms() < 1_030_000


def test_a_jump_is_made_up_in_the_end() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall += 60_000
    for _ in range(700):
        hands.pass_ms(1000)
        clock.now_ms()
    assert clock.now_ms() == int(hands.wall)


def test_never_goes_back() -> None:
    hands = Hands()
    clock = hands.clock()
    seen = clock.now_ms()
    for jump in (-5000, 10, -1, 0, -100_000, 3):
        hands.wall += jump
        hands.monotonic += 0.4
        now = clock.now_ms()
        assert now >= seen
        seen = now


def test_goes_on_from_the_journals_last_instant() -> None:
    hands = Hands()
    clock = hands.clock()
    clock.not_before(2_000_000)
    hands.pass_ms(10_000)
    assert 2_009_000 <= clock.now_ms() < 2_010_000


def test_a_standby_that_nobody_asked_for_the_time_counts_it_once() -> None:
    """Its owner wrote meanwhile, so the journal's last instant is as late as the hour in which it takes over."""
    hands = Hands()
    clock = hands.clock()
    hands.pass_ms(3_600_000)
    clock.not_before(int(hands.wall) - 5)
    assert clock.now_ms() == int(hands.wall)
