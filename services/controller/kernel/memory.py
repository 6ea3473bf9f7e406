"""Where everything lies in a gateway's shared memory: one file, its sections and its words.

Plain numbers, so that processes without a compiler can read the file too. Every word that one process writes
and another reads has a cache line of its own.
"""

from services.controller.kernel.layout import SAMPLES

MAGIC = b"SPONDYL\x00"
VERSION = 4
HEADER_BYTES = 16_384  # magic, version, size, checksum, then the description as JSON
LINE_BYTES = 64
LINE_WORDS = LINE_BYTES // 8
RING_SECONDS = 60.0  # the least a reader may be away without losing a sample

# --- words: int64, one a cache line ------------------------------------------------------------------------
WORDS = (
    "head",  # ticks written so far; stored with release
    "claim",  # head + 1 while a tick is being written: slots below claim - capacity are no longer whole
    "stop",  # not 0: the loop returns after this tick
    "heartbeat_ns",  # CLOCK_MONOTONIC at the end of the last tick
    "missed",  # ticks that ended after the next one's start
    "skipped",  # deadlines that passed meanwhile: no tick was run for them
    "pid",  # the loop's process
    "pid_started_ms",  # ... and when it started, since the epoch: a reused pid is another process
    "priority",  # SCHED_FIFO priority obtained, 0 for the normal class
    "locked",  # 1 when its memory is locked
    "gateway_ns",  # CLOCK_MONOTONIC of the supervisor's last look: a loop nobody looks after ends itself
    "clock_offset_ns",  # added to CLOCK_REALTIME: tests step this gateway's wall clock, never the machine's
)
(
    W_HEAD,
    W_CLAIM,
    W_STOP,
    W_HEARTBEAT,
    W_MISSED,
    W_SKIPPED,
    W_PID,
    W_PID_STARTED,
    W_PRIORITY,
    W_LOCKED,
    W_GATEWAY,
    W_CLOCK_OFFSET,
) = (LINE_WORDS * index for index in range(len(WORDS)))

# --- a tick's times ----------------------------------------------------------------------------------------
TIMES = ("tick", "monotonic_ns", "realtime_ns")
T_TICK, T_MONOTONIC, T_REALTIME = range(len(TIMES))

# --- mailboxes: one single-producer ring a channel and bed --------------------------------------------------
CHANNELS = (
    "bedside",
    "remote",
    "gateway",
)  # the panel's, the recorder's, the loop process's own controlled end
BEDSIDE, REMOTE, GATEWAY = range(len(CHANNELS))
SLOTS = 8
PARAMETER_CAPACITY = 256  # rows a slot holds; the kernel takes its own first ones
MAIL_STRIDE = 2 * LINE_WORDS  # words a mailbox: the producer's count, then the consumer's on the next line
MAIL_HEAD, MAIL_TAIL = 0, LINE_WORDS
MAIL_ACTION, MAIL_POSTED = range(2)  # columns of a slot; posted is CLOCK_MONOTONIC
OUTCOME_TICKET, OUTCOME_TICK, OUTCOME_REFUSAL = range(3)
ACTION_EXPIRES_NS = 2_000_000_000  # an action that waited longer is refused; stop, pause, heat_off never
TAKEN_SLOTS = 8  # parameters taken last, kept for the recorder

# --- histograms: logarithmic buckets, 32 an octave (3 %), in nanoseconds ------------------------------------
HISTOGRAMS = (
    "late",
    "compute",
    "link",
    "command",  # beds on a bus: from the first reading's arrival until the last command is on its way
)
HISTOGRAM_LATE, HISTOGRAM_COMPUTE, HISTOGRAM_LINK, HISTOGRAM_COMMAND = range(len(HISTOGRAMS))
BUCKETS_PER_OCTAVE = 32
BUCKET_BITS = 5
OCTAVES = 36  # up to 2^41 ns, half an hour
BUCKETS = BUCKETS_PER_OCTAVE * (OCTAVES + 1)
H_MAX, H_SUM = BUCKETS, BUCKETS + 1  # two more columns: the greatest value and the sum of all

# --- link: what became of each bed's exchanges (zeros for one without a bus), int64[beds, LINK_COUNTS] -----
LINK_REFUSALS = (  # an answer of these kinds is not taken for a reading
    "late",  # to an earlier request: it came after its tick
    "unanswered",  # nothing in time
    "half",  # the beginning of a frame in time
    "garbage",  # no Modbus frame
    "unit",  # of another unit
    "transaction",  # to a request that was never made
    "exception",  # the drive refuses the request
    "length",  # not as many registers as were asked for
    "signature",  # another register map
    "swapped",  # words in the other order
    "scaling",  # another version or scale
    "serial",  # another drive than before, or than was commissioned
    "other_master",  # the drive obeys somebody else
    "echo",  # not made in this exchange
    "unsent",  # the drive owes too many answers, or the network takes nothing
    "lost",  # connections that ended
)
LINK_COUNTS = (
    "requests",
    "answers",  # that became readings
    *LINK_REFUSALS,
    "switch_disagrees",  # answers in which the patient switch's contacts contradict each other
    "released",  # answers after which the drive's watchdog has let go since the one before
    "other_wrote",  # answers after which it has refused another master's command since the one before
    "connected",  # the rest are no counts: what is so now
    "drive_state",
    "watchdog_state",
    "stop_state",
    "serial_no",
    "other_master_no",  # session id of the other master that was met last
)
(
    N_REQUESTS,
    N_ANSWERS,
    N_LATE,
    N_UNANSWERED,
    N_HALF,
    N_GARBAGE,
    N_UNIT,
    N_TRANSACTION,
    N_EXCEPTION,
    N_LENGTH,
    N_SIGNATURE,
    N_SWAPPED,
    N_SCALING,
    N_SERIAL,
    N_OTHER_MASTER,
    N_ECHO,
    N_UNSENT,
    N_LOST,
    N_SWITCH_DISAGREES,
    N_RELEASED,
    N_OTHER_WROTE,
    N_CONNECTED,
    N_DRIVE_STATE,
    N_WATCHDOG_STATE,
    N_STOP_STATE,
    N_SERIAL_NO,
    N_OTHER_MASTER_NO,
) = range(len(LINK_COUNTS))

# --- health: what the recorder tells the panel --------------------------------------------------------------
HEALTH = (
    "recorder_ns",  # CLOCK_MONOTONIC of the recorder's last round
    "recorder_tick",  # first tick it has not stored yet
    "mqtt_connected",
    "spool_rows",
    "oldest_uncommitted_ms",
    "disk_full",
    "late_us",  # the worst wake-up of the last second
    "clock_step_ms",  # the wall clock's last step, for a minute; 0 when there was none
    "spool_bytes",
    "panel_ns",  # CLOCK_MONOTONIC of the panel's last look, its own word: who is silent for long hangs
)
HEALTH_CAPACITY = 64
SINCE_CAPACITY = 64  # alarms: since when (CLOCK_MONOTONIC) each is on, by the recorder; 0: it is not


def sections(beds: int, capacity: int) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
    """Name, element type and shape of every section behind the header, in their order."""
    channels = len(CHANNELS)
    return (
        ("words", "i8", (len(WORDS) * LINE_WORDS,)),
        ("times", "i8", (capacity, len(TIMES))),
        ("samples", "i4", (capacity, len(SAMPLES), beds)),
        ("mail", "i8", (channels * beds * MAIL_STRIDE,)),
        ("mail_slots", "i8", (channels, beds, SLOTS, 2)),
        ("mail_parameters", "f8", (channels, beds, SLOTS, PARAMETER_CAPACITY)),
        ("mail_outcomes", "i8", (channels, beds, SLOTS, 3)),
        ("taken", "i8", (beds * LINE_WORDS,)),
        ("taken_ticks", "i8", (beds, TAKEN_SLOTS)),
        ("taken_parameters", "f8", (beds, TAKEN_SLOTS, PARAMETER_CAPACITY)),
        ("histograms", "i8", (len(HISTOGRAMS), BUCKETS + 2)),
        ("faults", "i8", (beds,)),
        ("health", "i8", (HEALTH_CAPACITY,)),
        ("since", "i8", (beds, SINCE_CAPACITY)),
        ("link", "i8", (beds, len(LINK_COUNTS))),
    )


def ring_ticks(period_ns: int) -> int:
    """Ticks the ring holds: the power of two that covers RING_SECONDS."""
    needed = -(-int(RING_SECONDS * 1e9) // period_ns)
    return 1 << (needed - 1).bit_length()
