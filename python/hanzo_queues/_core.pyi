"""The Rust core: one partition's engine, its batch codec, and the JSON of the REST API.

Nothing here does I/O, reads a clock or keeps a thread. Requests are parsed once, answers are built once, and a
payload's bytes pass through exactly as they were sent.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self, final

__all__ = [
    "BatchError", "BlockEntry", "CheckpointError", "Command", "Description", "Engine", "EngineBug", "Excerpt",
    "Invalid", "Manifest", "Parser", "Reply", "Restoration", "Step", "__version__", "batch_link", "batch_now_ms",
    "describe_batch", "drop_lost", "partition_of_message", "step_batch_bytes_min", "step_sweep", "trim_journal",
    "verify_batch",
]  # fmt: skip

__version__: Final[str]
_Wake = Callable[[list[tuple[str, int]], list[tuple[str, str, int]]], list[Command]]

class Invalid(ValueError):
    """A request that can't be understood or breaks a limit. Nothing was changed.

    `code` is one of spec/errors.toml. `detail` is for people. `errors` names each fault: `pointer` is a JSON
    pointer into the body ("" for the whole), `detail` says what is wrong and what would be right.
    """

    code: str
    detail: str
    errors: list[dict[str, str]]

class BatchError(ValueError):
    """A journal batch that can't be trusted: `reason` is one of `magic`, `version`, `truncated`, `hash`,
    `chain`, `sequence`, `malformed`. The message says what was found and what was expected."""

    reason: str

class CheckpointError(ValueError):
    """A block or manifest that can't be trusted; `reason` as of a BatchError."""

    reason: str

class EngineBug(RuntimeError):
    """An assertion of the engine failed: a bug. Nothing of the step may be journaled or answered; the engine refuses
    further use and must be dropped."""

@final
class Command:
    """A validated request to one partition. Immutable; made by `Parser` only."""

    @property
    def batch_bytes_max(self) -> int:
        """Upper bound of the journal bytes this command can cause."""

    @property
    def is_update(self) -> bool:
        """It changes a queue's settings."""

    @property
    def is_enqueue(self) -> bool:
        """It brings messages, one or a batch. (An ack that enqueues is none.)"""

    def seen(self) -> Command | None:
        """For a receive of a member of a group: the command that tells that its poll has ended."""

    @property
    def messages_max(self) -> int:
        """Messages, or queues, that the command touches at most, at least 1: a step takes about a microsecond for
        each, so a writer bounds how long a step keeps its loop by their sum."""

    @property
    def ages_ms(self) -> tuple[int | None, int | None] | None:
        """For a sweep that asks for messages of an age, some of which may never have died: how old at least and at
        most. Such a message is as old as the batch it was accepted with: see `accepted`."""

    def accepted(self, first: int, last: int) -> Command:
        """The same sweep, told that messages of its ages were accepted with the batches `first` to `last`."""

@final
class Parser:
    """Turns requests into commands. `limits` is the table of spec/limits.toml (name -> integer) with the
    settings applied; `visibility_timeout_ms` and `max_retries` are a new queue's defaults;
    `payload_limit_source` is named to whoever exceeds `payload_bytes_max`. Raises ValueError naming the limits
    that are missing."""

    def __new__(
        cls,
        limits: Mapping[str, int],
        *,
        visibility_timeout_ms: int,
        max_retries: int,
        payload_limit_source: str = "HANZO_MAX_PAYLOAD",
    ) -> Self: ...
    def create_queue(self, body: bytes) -> Command: ...
    def update_queue(self, queue: str, body: bytes) -> Command: ...
    def pause_queue(self, queue: str, body: bytes) -> Command: ...
    def resume_queue(self, queue: str, body: bytes) -> Command: ...
    def purge_queue(self, queue: str) -> Command: ...
    def delete_queue(self, queue: str) -> Command: ...
    def get_queue(self, queue: str) -> Command: ...
    def list_queues(self, after: str | None, limit: int | None, *, prefix: str | None = None) -> Command: ...
    def create_group(self, queue: str, body: bytes) -> Command: ...
    def list_groups(self, queue: str) -> Command: ...
    def get_group(self, queue: str, group: str) -> Command: ...
    def delete_group(self, queue: str, group: str) -> Command: ...
    def heartbeat(self, queue: str, group: str, consumer: str) -> Command: ...
    def leave(self, queue: str, group: str, consumer: str) -> Command: ...
    def enqueue(self, queue: str, body: bytes) -> Command: ...
    def enqueue_batch(self, queue: str, body: bytes) -> Command: ...
    def receive(
        self,
        queue: str,
        *,
        group: str | None,
        consumer: str | None,
        messages_max: int | None,
        visibility_timeout_ms: int | None,
        wait_ms: int = 0,
        attempt: str | None = None,
    ) -> Command:
        """`wait_ms`: how long it waits when there is nothing; so long its consumer counts as seen. `attempt`: repeated,
        it gets the same leases."""

    def ack(self, message_id: str, body: bytes) -> Command: ...
    def nack(self, message_id: str, body: bytes) -> Command: ...
    def extend(self, message_id: str, body: bytes) -> Command: ...
    def release(self, message_id: str, body: bytes) -> Command: ...
    def settle(self, queue: str, body: bytes) -> Command: ...
    def redrive(self, queue: str, body: bytes) -> Command: ...
    def sweep(self, queue: str, body: bytes) -> Command: ...
    def get_sweep(self, sweep_id: str) -> Command: ...
    def list_sweeps(self, after: str | None, limit: int | None) -> Command: ...
    def cancel_sweep(self, sweep_id: str) -> Command: ...
    def get_message(self, message_id: str) -> Command: ...
    def explain_message(self, message_id: str, *, group: str | None, consumer: str | None) -> Command: ...
    def change_message(self, message_id: str, body: bytes) -> Command: ...
    def delete_message(self, message_id: str) -> Command: ...
    def peek(
        self,
        queue: str,
        *,
        state: str | None,
        after: str | None,
        limit: int | None,
        ordering_key: str | None = None,
        fairness_key: str | None = None,
        reason: str | None = None,
        group: str | None = None,
    ) -> Command: ...
    def whole(
        self, data: bytes, admitted: set[bytes]
    ) -> tuple[Command, str | int, bytes | None, tuple[str, int, str] | None] | None:
        """A plain request of a hot path that came whole, its Authorization one of `admitted`; None for all else. Its
        queue or partition, X-Request-Id; of a receive the queue as the engine wakes it, ms it waits, its consumer."""

    def queue_of_body(self, body: bytes) -> str:
        """The `name` of a create-queue body: what the router needs. Raises Invalid."""

def partition_of_message(message_id: str) -> int:
    """The partition a message id or a receipt names. Raises Invalid (`message_id_invalid`)."""

@final
class Description:
    """What a batch says. Its records are texts for people, not a format."""

    @property
    def lsn(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def now_ms(self) -> int: ...
    @property
    def records(self) -> list[str]: ...

@final
class Excerpt:
    """What one reply needs of one journal batch."""

@final
class Reply:
    """The answer to one command."""

    @property
    def rejection(self) -> tuple[str, str] | None:
        """(code, detail) when the rules said no. An atomic batch that was refused has `batch_aborted`, and still
        renders its results."""

    @property
    def created(self) -> bool:
        """True when something new was stored by a create-queue, a create-group or a single enqueue."""

    @property
    def message_count(self) -> int:
        """How many messages a receive leased; 0 for every other reply."""

    @property
    def retry_after_ms(self) -> int | None:
        """For an empty receive that a limit held back, or an enqueue that a limit refused: when to try again. None when
        no time does it."""

    @property
    def limited_by_consumer(self) -> bool:
        """For an empty receive: its consumer's own rate limit held it back."""

    @property
    def lsns(self) -> list[int]:
        """The journal batches `render` needs, ascending, each once."""

    def excerpt(self, lsn: int, batch: bytes) -> Excerpt:
        """What `render` needs of the batch at `lsn`, which was verified once. Raises BatchError."""

    def answer_bytes(self, created: bytes, ok: bytes, request_id: bytes, batches: Mapping[int, bytes]) -> bytes | None:
        """The whole HTTP answer of a success; None for all else, and where `batches` lacks one. Heads end at its id."""

    def render(self, batches: Mapping[int, bytes | Excerpt]) -> bytes:
        """The answer's JSON. `batches` holds at least `lsns`, each verified once, whole or this reply's excerpt;
        payloads are spliced in unparsed. A rejection renders as `{"error": {code, detail}}`. Raises KeyError for a
        batch that is missing and BatchError for one that is not what its LSN says, and EngineBug."""

    @property
    def sweep(self) -> int | None:
        """The number of the sweep that this answer is about."""

    @property
    def sweep_wait_ms(self) -> int | None:
        """After a step of a sweep: milliseconds until the next one; None when the sweep is over."""

    def next_step(self, sweep: int, batches: Mapping[int, bytes | Excerpt]) -> Command:
        """The next step of `sweep`: what matches of `batches`, at least `lsns`, is chosen. Raises as `render`."""

    @property
    def trimming(self) -> tuple[int, bool] | None:
        """After a `trim_journal`: the LSN of the first batch that is needed for its blobs, and whether to ask again."""

    def moves(self, batches: Mapping[int, bytes | Excerpt]) -> Command | None:
        """What writes again, at the journal's end, what is in the way; None when this names nothing. As `render`."""

    def release(self) -> Command | None:
        """For a receive that leased messages: the command that gives them back, no attempt counted."""

@final
class Step:
    """What a step decided."""
    @property
    def batch(self) -> bytes | None:
        """The framed batch to append with expected last sequence `lsn - 1`; None when nothing changed."""
    @property
    def lsn(self) -> int:
        """The batch's LSN; the engine's last one when there is no batch."""
    @property
    def replies(self) -> list[Reply]:
        """One reply a command, in order. Release them only when `batch` is durable."""
    @property
    def next_deadline_ms(self) -> int | None:
        """Call `step` then, also without commands. At or before `now_ms`: at once (more is due than a step handles)."""
    @property
    def woken(self) -> list[tuple[str, int]]:
        """Queues (`queue`, or `queue/group`) of which messages can be received now, and how many."""
    @property
    def woken_members(self) -> list[tuple[str, str, int]]:
        """The same of members whose ordering keys have them: queue or group, consumer, how many."""

@final
class BlockEntry:
    """Where the block `data` lies in the store: at `sequence`, and behind it when it has more `parts`."""

    def __new__(cls, data: bytes, sequence: int, parts: int) -> Self: ...
    @property
    def place(self) -> tuple[int, int]:
        """Its kind, and which of its kind."""
    @property
    def kind_name(self) -> str: ...
    @property
    def extent(self) -> tuple[int, int, int]:
        """Sequence, parts, bytes."""
    def names(self, data: bytes) -> bool:
        """Whether `data` has this block's length and bears its hash; `Restoration.add` proves that hash."""

@final
class Manifest:
    """One checkpoint: where its blocks lie, and of which batch it `is_of`. Raises CheckpointError."""

    def __new__(cls, data: bytes) -> Self: ...
    @property
    def lsn(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def now_ms(self) -> int: ...
    @property
    def blocks(self) -> list[BlockEntry]: ...
    def is_of(self, batch: bytes) -> bool: ...

@final
class Restoration:
    """A state on its way back: each block of `manifest.blocks` is added in order. Raises CheckpointError."""

    def __new__(cls, engine: Engine, manifest: Manifest) -> Self: ...
    def add(self, data: bytes) -> None: ...
    def finish(self, engine: Engine) -> None:
        """Gives `engine` the state; its replay goes on with the batch after the manifest's. Raises CheckpointError."""

@final
class Engine:
    """One partition's state. After an `EngineBug`, every further use raises RuntimeError: drop it and replay the
    journal."""
    def __new__(
        cls,
        partition: int,
        *,
        visibility_timeout_ms: int = 30_000,
        max_retries: int = 3,
        queues_max: int = 100_000,
        dedup_memory_bytes: int = 1 << 30,
        results_bytes_max: int = 1 << 30,
        segment_bytes: int = 64 << 20,
    ) -> Self:
        """An empty partition. A dead-letter queue that is made because a queue names it gets
        `visibility_timeout_ms` and `max_retries`: pass what the `Parser` has. `queues_max`: with so many queues
        further ones are refused (`queues_exhausted`), and a message whose dead-letter queue isn't there dies in
        its own. `results_bytes_max`: beyond it the oldest results of acks are forgotten; each counts a KiB at least.
        `segment_bytes`: about how much more than what it must keep the journal may hold."""
    @property
    def lsn(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def now_ms(self) -> int:
        """The instant of the last step or replayed batch; 0 when there was none."""
    @property
    def message_count(self) -> int: ...
    @property
    def queue_count(self) -> int: ...
    @property
    def sweeps_running(self) -> list[int]:
        """Sweeps that have not ended, in the order they began: each must be driven by `step_sweep`."""
    @property
    def oldest_live_lsn(self) -> int:
        """The LSN of the first batch that is needed for its blobs, as if all that was stepped were durable."""
    def first_needed_lsn(self) -> int:
        """The same, exactly: looks at every message."""
    @property
    def live_bytes(self) -> int:
        """The bytes of the blobs that are needed, as above."""
    def replay(self, sequence: int, batch: bytes) -> None:
        """Verifies one batch and applies it. Batches come in order, from LSN 1; a batch's LSN equals its
        sequence. One of an epoch before the last fence's is passed over: its writer was deposed while it was on its
        way, and nobody was told that it counts. Raises BatchError and changes nothing; but records that contradict the
        batches before them (`malformed`) are found while they are applied, and then the engine must be dropped."""
    def fence(self, now_ms: int, secret: bytes) -> Step:
        """The batch that begins a new epoch. `secret` (32 random bytes) is kept when the journal is empty. Raises
        EngineBug."""
    def step(self, now_ms: int, commands: Sequence[Command], wake: _Wake | None = None) -> Step:
        """Decides `commands` in order, after the timers due at `now_ms` (milliseconds since 1970, never less
        than the last step's). A command may be used again, as a long poll does. Raises RuntimeError, changing
        nothing, before the first `fence` or replay, and EngineBug. `wake` is told what became ready, as the step tells.
        The receives it returns are decided in the same step, until it has none; their replies follow the others'. What
        is ready still is told by the step, too. `wake` must not use this engine, nor raise: an EngineBug."""
    def begin_checkpoint(self) -> int | None:
        """Begins a checkpoint of the state as it is now, and says of which LSN. Its blocks are taken one by one; steps
        may go on meanwhile. None: there is nothing to keep yet, or one is under way."""
    def next_block(self) -> tuple[int, int, bytes | None] | None:
        """Kind, index and bytes of the next block that changed since the last checkpoint, as it was when this began; no
        bytes: nothing is in it any more. None: all were taken. Takes about a millisecond."""
    def end_checkpoint(self, blocks: Sequence[BlockEntry]) -> bytes:
        """Ends the checkpoint all of whose blocks were taken: the bytes of its manifest. `blocks`: every block of the
        state, those of earlier checkpoints included."""
    def abandon_checkpoint(self) -> None:
        """Gives up the checkpoint under way, or the last that ended: its blocks come with the next again."""
    def extents(self) -> list[tuple[int, int, int]]:
        """Of each kind of blocks: its number, the entries that a checkpoint begun now has, at most, and all of them."""
    def rewrite_block(self, kind: int, index: int) -> None:
        """Has this block come with the next checkpoint, changed or not."""
    def state_hash(self) -> str:
        """A hash of the whole state, for tests: equal after a step and after its replay."""

def step_batch_bytes_min() -> int:
    """Bytes a step may add to its commands' `batch_bytes_max` (frame, timers)."""

def batch_link(batch: bytes) -> tuple[int, int, bytes, bytes]:
    """LSN, epoch, hash of the batch before it and its own hash, which is right. Raises BatchError."""

def describe_batch(batch: bytes) -> Description:
    """What `batch` says, whatever stands before it in the journal. Raises BatchError."""

def verify_batch(batch: bytes) -> None:
    """Checks the frame and hash of one batch read back for its payloads. Raises BatchError."""

def batch_now_ms(batch: bytes) -> int:
    """The instant a batch was decided at. Raises BatchError."""

def trim_journal(first_lsn: int, journal_bytes: int, horizon_lsn: int, is_moving: bool) -> Command:
    """Asks what may go of the journal, which begins with `first_lsn` and takes `journal_bytes`; changes nothing. Before
    `horizon_lsn` no records are needed; 0: all are. `is_moving`: what was found is on its way: look for no more."""

def drop_lost(before_lsn: int, from_slot: int) -> Command:
    """Takes away a part of what refers to lost batches, those before `before_lsn`: messages, results, texts of errors.
    The reply's JSON has `messages` as they were, counts of `errors` and `results`, and `nextSlot` if there is more."""

def step_sweep(sweep: int) -> Command:
    """The next step of a sweep: bounded, safe to repeat, and safe to ask of one that is over."""
