"""Holds what was measured against a baseline, and says in a sentence what became dearer, and where."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.gates.baseline import Baseline
from bench.gates.runs import Measured

RENEW = "make gates-renew"
NAMED_MAX = 4
NAMED_SHARE_MIN = 0.05  # of the growth


@dataclass(frozen=True)
class Rule:
    """How much more of a quantity is allowed, as a share, and which versions it depends on."""

    allowed: float
    depends_on: tuple[str, ...] = ()


RULES = {
    "fsyncs": Rule(0.01),
    "journal batches": Rule(0.0),
    "journal bytes": Rule(0.005),
    "writes to clients": Rule(0.0),
    "loop turns": Rule(0.02, ("python",)),
    "loop callbacks": Rule(0.02, ("python",)),
    "allocations": Rule(0.03, ("python", "rustc")),
    "opcodes": Rule(0.05, ("python",)),
    "instructions": Rule(0.05, ("python", "rustc", "libc", "valgrind", "machine")),
}
ALLOWED_WITH_OTHER_VERSIONS = 0.30
"""Other versions count otherwise, by some percent; what becomes dearer by more than that is not their doing."""

SLACK = 0.01
"""In a thousand messages: what rounding can do."""

GROWTH_MAX = 1.6
"""A verb among a million messages, in instructions among ten thousand: what a logarithm explains, and caches of it."""

TIME_RATIO_MIN = 0.4
"""Half of what is usual: a time on a shared machine jitters."""


@dataclass
class Verdict:
    """`failures`, `notices`: sentences. `passed`: how many gates held."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def held(self, failure: str | None) -> None:
        """One gate, and the sentence of its failure."""
        if failure is None:
            self.passed += 1
        else:
            self.failures.append(failure)


def compare(side: str, measured: Measured, baseline: Baseline, made_with: dict[str, str], verdict: Verdict) -> None:
    """Each number of `measured` with that of `baseline`."""
    other = sorted(name for name, version in made_with.items() if baseline.made_with.get(name) != version)
    if other and baseline.loads:
        verdict.notices.append(_versions(side, other, baseline.made_with, made_with))
    for load, counts in measured.counts.items():
        for quantity, now in counts.items():
            rule = RULES[quantity]
            was = baseline.loads.get(load, {}).get(quantity)
            if was is None:
                verdict.held(f"{load}: {quantity} has no baseline. Write one: {RENEW}.")
                continue
            allowed = ALLOWED_WITH_OTHER_VERSIONS if set(other) & set(rule.depends_on) else rule.allowed
            if now > was * (1 + allowed) + SLACK:
                verdict.held(_dearer(load, quantity, was, now, allowed, _where(load, quantity, measured, baseline)))
                continue
            verdict.held(None)
            if now < was * (1 - max(allowed, 0.01)):
                verdict.notices.append(
                    f"{load}: {_count(quantity, now)}, {1 - now / was:.1%} fewer than the baseline has. "
                    f"Keep the gain: {RENEW}."
                )
    counted = {quantity for counts in measured.counts.values() for quantity in counts}
    for load, counts in baseline.loads.items():
        for quantity in counts.keys() & counted - measured.counts.get(load, {}).keys():
            verdict.held(f"{load}: {quantity} is in the baseline and was not measured. If it is gone: {RENEW}.")


def compare_growth(measured: Measured, verdict: Verdict) -> None:
    """Instructions among a million messages with those among ten thousand."""
    for load, counts in measured.counts.items():
        verb, among, _ = load.partition(", 10^6 queued")
        if not among:
            continue
        small = f"{verb}, 10^4 queued"
        times = counts["instructions"] / measured.counts[small]["instructions"]
        grown = _grew(measured.functions[small]["instructions"], measured.functions[load]["instructions"])
        failure = (
            f"{verb}: {times:.2f} times as many instructions among a million messages as among ten thousand; "
            f"{GROWTH_MAX} times are allowed. Something in it grows with the backlog{grown}."
        )
        verdict.held(failure if times > GROWTH_MAX else None)


def compare_times(times: dict[str, float], verdict: Verdict) -> str:
    """The paired ratio. Returns it as a line."""
    ratio = (times["noop_s"] + times["fsync_s"]) / times["enqueue_s"]
    line = f"64 enqueues, durable, against 64 requests of the no-op route and an fsync, in time: {ratio:.2f}"
    verdict.held(None if ratio >= TIME_RATIO_MIN else f"{line}. At least {TIME_RATIO_MIN} is asked for.")
    return line


def _dearer(load: str, quantity: str, was: float, now: float, allowed: float, where: str) -> str:
    allowance = f"{allowed:.1%}".replace(".0%", "%") + " more are allowed" if allowed else "no more are allowed"
    more = f"{now / was - 1:.1%} more than" if was else "not"
    return (
        f"{load}: {_count(quantity, now)} for a thousand messages, {more} the baseline's {_number(was)}; {allowance}"
        f"{where}. If it is worth it: {RENEW}, and say why."
    )


def _where(load: str, quantity: str, measured: Measured, baseline: Baseline) -> str:
    """Which functions grew. Instructions of an interpreter say little: its opcodes say which Python function ran."""
    now, was = measured.functions.get(load, {}), baseline.functions.get(load, {})
    if quantity not in now:
        return ""
    where = _grew(was.get(quantity, {}), now[quantity])
    if quantity == "instructions" and "opcodes" in now:
        python = _grew(was.get("opcodes", {}), now["opcodes"])
        where += python.replace(". Grown most:", ". Of Python, in opcodes, grew:")
    return where


def _grew(was: dict[str, float], now: dict[str, float]) -> str:
    grown = {function: count - was.get(function, 0) for function, count in now.items()}
    total = sum(growth for growth in grown.values() if growth > 0)
    largest = sorted(grown, key=lambda function: -grown[function])[:NAMED_MAX]
    named = [f"{name} (+{_number(grown[name])})" for name in largest if grown[name] > NAMED_SHARE_MIN * total]
    return f". Grown most: {', '.join(named)}" if named else ""


def _versions(side: str, other: list[str], was: dict[str, str], now: dict[str, str]) -> str:
    named = ", ".join(f"{name} {was.get(name, 'unknown')} -> {now[name]}" for name in other)
    return (
        f"the baseline of the {side} was made with other versions ({named}). What depends on them is held to "
        f"{ALLOWED_WITH_OTHER_VERSIONS:.0%}, the rest as ever. Where these versions stay: {RENEW}."
    )


def _count(quantity: str, value: float) -> str:
    return f"{_number(value)} {quantity}"


def _number(value: float) -> str:
    if value >= 10_000_000:
        return f"{value / 1_000_000:,.1f} M"
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.4g}"
