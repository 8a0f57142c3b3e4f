"""What the gates say: a cost that grew fails, with the function that grew; what versions explain does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.gates.baseline import Baseline
from bench.gates.callgrind import read_dump
from bench.gates.meters import Opcodes, Readings
from bench.gates.runs import Measured
from bench.gates.verdict import Verdict, compare, compare_growth, compare_times

LOAD = "enqueue"
VERSIONS = {"python": "3.11.7", "rustc": "1.95.0", "libc": "2.36", "valgrind": "3.19.0", "machine": "x86_64"}

DUMP = """\
# callgrind format
version: 1
desc: Trigger: Client Request: enqueue, alone
positions: line
events: Ir
ob=(1) /usr/lib/_core.so
fl=(1) ???
fn=(1) engine::step::h0123456789abcdef
0 10
cob=(2) /lib/x86_64-linux-gnu/libc.so.6
cfi=(1)
cfn=(2) memcpy
calls=3 0
0 50
cfn=(3) codec::write.llvm.123
calls=1 0
0 70
fn=(3)
0 70

ob=(2)
fn=(2)
0 45
cfn=(4) 0x000000000012ab
calls=1 0
0 5
fn=(4)
0 5

ob=(1)
fn=(5) engine::step'2
+3 7
totals: 137
"""


def test_a_dump_gives_what_the_c_library_did_to_who_called_it() -> None:
    load, functions = read_dump(DUMP.splitlines(keepends=True))
    assert load == "enqueue, alone"
    assert functions == {"engine::step": 10 + 50 + 7, "codec::write": 70}


def measured(instructions: float, function: str = "engine::step", *, batches: float = 10) -> Measured:
    result = Measured({LOAD: {"journal batches": batches}})
    result.add(LOAD, "instructions", {"codec::write": 400_000, function: instructions - 400_000})
    return result


def baseline() -> Baseline:
    renewed, _ = Baseline().renewed(measured(1_000_000), VERSIONS)
    return renewed


def verdict_of(now: Measured, versions: dict[str, str] = VERSIONS, was: Baseline | None = None) -> Verdict:
    verdict = Verdict()
    compare("engine", now, was or baseline(), versions, verdict)
    return verdict


def test_what_costs_the_same_passes() -> None:
    verdict = verdict_of(measured(1_000_000))
    assert (verdict.passed, verdict.failures, verdict.notices) == (2, [], [])


def test_five_percent_more_instructions_fail_and_the_sentence_names_the_function() -> None:
    assert not verdict_of(measured(1_049_000)).failures
    (sentence,) = verdict_of(measured(1_051_000)).failures
    assert sentence == (
        "enqueue: 1,051,000 instructions for a thousand messages, 5.1% more than the baseline's 1,000,000; 5% more are "
        "allowed. Grown most: engine::step (+51,000). If it is worth it: make gates-renew, and say why."
    )


def test_a_new_function_is_named() -> None:
    (sentence,) = verdict_of(measured(1_000_000 + 100_000, "engine::fresh")).failures
    assert "Grown most: engine::fresh (+700,000)" in sentence


def test_the_python_that_ran_more_is_named_beside_the_interpreter() -> None:
    was, now = measured(1_000_000), measured(1_100_000)
    was.add(LOAD, "opcodes", {"server/writer.py Writer._advance": 1000.0})
    now.add(LOAD, "opcodes", {"server/writer.py Writer._advance": 1040.0})
    renewed, _ = Baseline().renewed(was, VERSIONS)
    (sentence,) = verdict_of(now, was=renewed).failures
    assert "Of Python, in opcodes, grew: server/writer.py Writer._advance (+40)" in sentence


def test_a_batch_more_fails() -> None:
    (sentence,) = verdict_of(measured(1_000_000, batches=10.1)).failures
    assert sentence.startswith("enqueue: 10.1 journal batches for a thousand messages, 1.0% more than")


def test_what_became_cheaper_passes_and_asks_to_be_kept() -> None:
    verdict = verdict_of(measured(900_000))
    assert not verdict.failures
    assert verdict.notices == [
        "enqueue: 900,000 instructions, 10.0% fewer than the baseline has. Keep the gain: make gates-renew."
    ]


def test_other_versions_are_told_and_leave_room_only_to_what_depends_on_them() -> None:
    other = {**VERSIONS, "rustc": "1.99.0"}
    verdict = verdict_of(measured(1_200_000), other)
    assert not verdict.failures
    assert "rustc 1.95.0 -> 1.99.0" in verdict.notices[0]
    assert "make gates-renew" in verdict.notices[0]
    assert verdict_of(measured(1_310_000), other).failures
    assert verdict_of(measured(1_000_000, batches=11), other).failures


def test_what_has_no_baseline_fails() -> None:
    (first, second) = verdict_of(measured(1_000_000), was=Baseline(VERSIONS)).failures
    assert first == "enqueue: journal batches has no baseline. Write one: make gates-renew."
    assert second.startswith("enqueue: instructions has no baseline.")


def test_what_is_no_longer_measured_fails_but_not_what_could_not_be() -> None:
    was, now = baseline(), measured(1_000_000)
    was.loads["ack"] = {"instructions": 1000, "fsyncs": 10}
    (sentence,) = verdict_of(now, was=was).failures
    assert sentence.startswith("ack: instructions is in the baseline and was not measured.")


def growth(many: int) -> Verdict:
    result, verdict = Measured(), Verdict()
    result.add("ack, 10^4 queued", "instructions", {"engine::step": 1000})
    result.add("ack, 10^6 queued", "instructions", {"engine::step": many})
    compare_growth(result, verdict)
    return verdict


def test_a_verb_that_grows_with_the_backlog_fails() -> None:
    assert not growth(1500).failures
    (sentence,) = growth(3000).failures
    assert sentence.startswith("ack: 3.00 times as many instructions among a million messages as among ten thousand")
    assert "engine::step (+2,000)" in sentence


def test_the_paired_ratio_has_a_floor() -> None:
    verdict = Verdict()
    compare_times({"noop_s": 1.0, "fsync_s": 1.0, "enqueue_s": 4.0}, verdict)
    assert not verdict.failures
    compare_times({"noop_s": 1.0, "fsync_s": 1.0, "enqueue_s": 6.0}, verdict)
    assert len(verdict.failures) == 1


def test_a_renewal_tells_what_changed_and_leaves_noise_alone() -> None:
    was = baseline()
    renewed, changes = was.renewed(measured(1_002_000, batches=12), VERSIONS)
    assert changes == ["enqueue: journal batches 10 -> 12 (+20.0%)"]
    assert renewed.loads[LOAD] == {"journal batches": 12, "instructions": 1_000_000}
    assert renewed.functions == was.functions


def test_a_renewal_forgets_what_is_gone() -> None:
    was = baseline()
    was.loads["ack"] = {"journal batches": 10}
    renewed, changes = was.renewed(measured(1_000_000), VERSIONS)
    assert changes == ["ack: no longer measured"]
    assert list(renewed.loads) == [LOAD]


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.gates.baseline.BASELINES", tmp_path / "baselines")
    assert Baseline.read("engine") == Baseline()
    baseline().write("engine")
    assert Baseline.read("engine") == baseline()


def test_the_smallest_stretch_counts_where_timing_adds() -> None:
    now = 0.0

    def read() -> float:
        return now

    readings = Readings({"turns": read, "bytes": read}, least=frozenset({"turns"}))
    for taken in (2.0, 1.0, 4.0):
        readings.resume()
        now += taken
        readings.pause()
        now += 100.0
    readings.end(LOAD)
    assert readings.loads == {LOAD: {"turns": 3.0, "bytes": 7.0}}


def counted(numbers: list[int]) -> int:
    return sum(number * 2 for number in numbers)


def test_opcodes_are_the_same_each_time_and_belong_to_a_function() -> None:
    opcodes = Opcodes()
    for load in ("once", "again", "longer"):
        opcodes.resume()
        counted([1, 2, 3] if load != "longer" else [1, 2, 3, 4])
        opcodes.pause()
        opcodes.end(load)
    name = "tests/unit/test_gates.py counted"
    assert opcodes.loads["once"] == opcodes.loads["again"]
    assert opcodes.loads["longer"][name] >= opcodes.loads["once"][name]
    assert sum(opcodes.loads["longer"].values()) > sum(opcodes.loads["once"].values())
