"""`make fuzz`: one reader, coverage-guided by atheris, for minutes; what it finds is kept beside the seeds.

    python tests/fuzz/explore.py gdt --seconds 600

The make target installs atheris. Inputs that reach new code are kept in test-output/fuzz/; one that fails is
written there as `TARGET-crash-*` and becomes a seed below tests/fuzz/seeds/ once the reader is mended.
"""

import argparse
import os
import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).parent.parent.parent
OURS = ["broker", "services", "pypdf", "json"]  # whose branches guide the search: ours, and pure Python below
MOST_MB = 1500
MOST_BYTES = {"invoice-pdf": 65_536, "einvoice": 32_768, "invoice-json": 8_192}
MOST_OTHERS = 4_096


def main() -> None:
    """Fuzz until the time is over or something is found; the exit status is libFuzzer's."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("target")
    asked.add_argument("--seconds", type=int, default=600)
    asked.add_argument("--kept", type=Path, default=ROOT / "test-output" / "fuzz")
    options = asked.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    with atheris.instrument_imports(include=OURS):
        from fuzz.targets import SEEDS, TARGETS
    target = TARGETS[options.target]
    for warm in target.seeds:
        target(warm.read_bytes())

    def one(data: bytes) -> None:
        target(data)

    kept = options.kept / target.name
    kept.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYTHONHASHSEED", "0")
    atheris.Setup(
        [
            sys.argv[0], f"-max_total_time={options.seconds}", f"-rss_limit_mb={MOST_MB}",
            f"-max_len={MOST_BYTES.get(target.name, MOST_OTHERS)}",
            f"-timeout={max(10, int(target.most_s * 10))}",
            f"-artifact_prefix={kept.parent}/{target.name}-", "-print_final_stats=1", "-verbosity=1",
            str(kept), str(SEEDS / target.name),
        ],
        one,
    )  # fmt: skip
    atheris.Fuzz()


if __name__ == "__main__":
    main()
