"""Every kept input in a process that may take so many MB more than the readers themselves, each in its time.

A program of its own: a limit on a process's memory cannot be taken back for what it has.
"""

import re
import resource
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def main() -> None:
    """Print how many were tried."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from fuzz.targets import TARGETS

    for target in TARGETS.values():  # what is loaded at the first call is not the input's
        target(target.seeds[0].read_bytes())
    has = int(re.search(r"VmSize:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
    most = has + int(sys.argv[1]) * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    found = sum(tried(target, seed) for target in TARGETS.values() for seed in target.seeds)
    sys.stdout.write(f"{found}\n")


def tried(target, seed):
    """1; whatever is wrong ends the program with the seed's name."""
    began = time.process_time()
    try:
        target(seed.read_bytes())
    except BaseException as error:
        error.add_note(f"with {target.name}/{seed.name}, in at most {sys.argv[1]} MB")
        raise
    took = time.process_time() - began
    assert took < target.most_s, f"{target.name}/{seed.name} took {took:.1f} s, at most {target.most_s:g}"
    return 1


if __name__ == "__main__":
    main()
