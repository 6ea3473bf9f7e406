import subprocess
import sys

from services.kit.memory import GiveBack

# Blocks below malloc's mapping threshold, runs of them freed between living ones.
SCRIPT = """
from pathlib import Path
from services.kit.memory import give_back

def private_kib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

blocks = [b"x" * 100_000 for _ in range(1000)]
kept = blocks[::10]
del blocks
before = private_kib()
gave = give_back()
print(gave, before - private_kib())
"""


def test_what_was_freed_between_living_blocks_goes_back_to_the_system():
    """Else a process that archives a session now and then grows for days without a leak."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    gave, less_kib = done.stdout.split()
    assert gave == "True"
    assert int(less_kib) > 30_000


# A thread that is asked for memory while others hold theirs: does it lie where the main thread's lies?
ARENAS = """
import threading
from pathlib import Path
from services.kit.memory import one_arena

def arenas():  # glibc maps 64 MiB for each but the first, nearly all of it not to be read
    rows = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    return sum(row[1] == "---p" and len(row) == 5 for row in rows)

told = one_arena() if WANTED else None
before = arenas()
held = []
inside, done = threading.Barrier(9), threading.Event()

def hold():
    held.append([b"x" * 100_000 for _ in range(20)])
    inside.wait()
    done.wait()

threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
inside.wait()
print(told, arenas() - before)
done.set()
"""


def _arenas(wanted):
    script = ARENAS.replace("WANTED", str(wanted))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_threads_allocate_in_one_place_where_that_is_asked_for():
    """What one thread has freed serves the next one, so that the process does not grow with its threads."""
    told, with_one = _arenas(wanted=True)
    _, without = _arenas(wanted=False)
    assert told == "True"
    assert int(without) > int(with_one)


def test_it_is_given_back_at_most_every_so_often(monkeypatch):
    """It is called in loops that run many times a second."""
    calls = []
    monkeypatch.setattr("services.kit.memory.give_back", lambda: calls.append(1))
    often, seldom = GiveBack(0.0), GiveBack(3600.0)
    for _ in range(3):
        often()
        seldom()
    assert len(calls) == 3
