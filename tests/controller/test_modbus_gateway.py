"""A whole gateway over two, four and eight drives, each a process of its own: all treated, one drive lost.

The long form is for `make verify`; run with `-s` it prints the figures that docs/modbus.md has.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from bedside_rig import NECK
from controller.test_gateway import Clinic
from servers import eventually, free_port

from services.controller.kernel import layout
from services.controller.kernel import memory as m
from services.controller.loop.histograms import Histogram
from services.controller.loop.shared import BEDSIDE, GatewayMemory
from services.controller.parameters import compile_parameters
from services.kit.therapy.prescription import Prescription

LONG = NECK | {"traction_min": 20.0}
MEASURED_S, ALONE_S = 20.0, 5.0
TENSION_DN = 100
ENDED = (layout.FAULT, layout.STOPPED, layout.DONE)


@contextmanager
def drives(count):
    """So many of `spondyl bed --modbus`, a calm patient on each; processes and addresses."""
    started = []
    try:
        for number in range(count):
            words = [
                "bed",
                "--modbus",
                "0",
                "--calm",
                "--json",
                "--seed",
                str(3 + number),
                "--serial",
                str(2001 + number),
            ]
            started.append(subprocess.Popen([sys.executable, "-m", "services.cli", *words],
                                            stdout=subprocess.PIPE, text=True))  # fmt: skip
        for drive in started:  # a real one is a machine of its own: other work here must not keep it waiting
            with suppress(PermissionError):
                os.sched_setscheduler(drive.pid, os.SCHED_FIFO, os.sched_param(10))
        yield started, [json.loads(drive.stdout.readline())["address"] for drive in started]
    finally:
        for drive in started:
            drive.kill()
            drive.wait()
            drive.stdout.close()


class Ward(Clinic):
    """A gateway over these drives at a period."""

    def __init__(self, data, addresses, period_ms, wait_ms):
        super().__init__(data)
        beds = {f"bed-{number:02d}": address for number, address in enumerate(addresses, 1)}
        self.start(
            SPONDYL_DEVICES=",".join(beds),
            SPONDYL_BEDS=",".join(f"{device}={address}" for device, address in beds.items()),
            SPONDYL_PERIOD_MS=str(period_ms),
            SPONDYL_BED_WAIT_MS=str(wait_ms),
            SPONDYL_HTTP_PORT=str(free_port()),
        )
        self.memory = GatewayMemory.attach(self.loop().path)

    def now(self, bed):
        """The newest sample of a bed."""
        head = self.memory.head()
        return self.memory.read(head - 1, head)[1][0, :, bed]

    def act(self, bed, action, *parameters):
        """Whether the kernel took the action."""
        ticket = self.memory.post(BEDSIDE, bed, action, *parameters)
        return eventually(lambda: self.memory.outcome(BEDSIDE, bed, ticket), 10, "an answer").accepted

    def is_pulled(self, bed):
        """Bring a bed one step nearer to traction; whether there is tension."""
        sample = self.now(bed)
        phase = int(sample[layout.S_PHASE])
        if phase == layout.IDLE:
            parameters = compile_parameters(Prescription.parse(LONG), self.memory.period_ns / 1e9, 1 + bed)
            self.act(bed, layout.ACTION_LOAD, parameters)
        elif phase == layout.READY:
            asking = sample[layout.S_OUTPUTS] & layout.OUTPUT_SWITCH_TEST
            if not (self.act(bed, layout.ACTION_START) or asking):
                self.act(bed, layout.ACTION_TEST_SWITCH)
        elif phase in ENDED:  # a busy machine: once more
            self.act(bed, layout.ACTION_RESET)
            self.act(bed, layout.ACTION_CLOSE)
        return phase not in (layout.IDLE, layout.READY, *ENDED) and sample[layout.S_FORCE] > TENSION_DN

    def is_all_pulled(self):
        """The same for every bed, each of them every time."""
        return sum(self.is_pulled(bed) for bed in range(self.memory.beds)) == self.memory.beds

    def look(self, seconds):
        """Let so much of the loop's time pass; what it did meanwhile, per bed where it is per bed."""
        memory, begun = self.memory, self.memory.head()
        before, earlier = [memory.link_counts(bed) for bed in range(memory.beds)], memory.histograms()
        missed = memory.word(m.W_MISSED)
        ticks = round(seconds * 1e9 / memory.period_ns)
        parts, last = [], begun
        while last < begun + ticks:
            eventually(lambda last=last: memory.head() > last, 10, "ticks")
            upto = memory.head()
            parts.append(memory.read(last, upto)[1])
            last = upto
        samples = np.concatenate(parts)
        after = memory.histograms()
        beds = [
            _bed(samples[:, :, bed], counts, memory.link_counts(bed)) for bed, counts in enumerate(before)
        ]
        return {
            "ticks": len(samples), "missed": memory.word(m.W_MISSED) - missed, "beds": beds,
            **{name: _between(earlier[name], after[name]) for name in ("link", "command")},
        }  # fmt: skip


def _bed(samples, before, after):
    ages = samples[:, layout.S_AGE]
    refused = {name: after[name] - before[name] for name in m.LINK_REFUSALS}
    return {
        "read_percent": round(100 * float((ages == 0).mean()), 2), "oldest_ms": int(ages.max()),
        "refused": {name: count for name, count in refused.items() if count},
        "phases": sorted({layout.PHASES[phase] for phase in samples[:, layout.S_PHASE].tolist()}),
    }  # fmt: skip


def _between(before, after):
    counts = after.counts - before.counts
    found = Histogram(counts, after.max_ns, after.sum_ns - before.sum_ns)
    return {name: value for name, value in found.summary_us().items() if name != "p999"}


def told(**figures):
    """For docs/modbus.md: seen with `-s`."""
    sys.stderr.write(json.dumps(figures) + "\n")


HANGS = signal.SIGSTOP


@pytest.mark.soak
@pytest.mark.parametrize(
    ("count", "period_ms", "wait_ms", "how"),
    [(2, 20, 0, signal.SIGKILL), (2, 20, 0, HANGS), (2, 5, 0, signal.SIGKILL), (2, 1, 0.5, signal.SIGKILL),
     (4, 20, 0, HANGS), (4, 5, 0, HANGS), (8, 20, 0, HANGS)],
)  # fmt: skip
def test_several_drives_are_treated_by_one_gateway_and_one_that_fails_takes_nobody_with_it(
    tmp_path, count, period_ms, wait_ms, how
):
    """One loop waits for all within one bound: a dead or hanging drive must not end another's session."""
    others = range(1, count)
    with drives(count) as (started, addresses):
        ward = Ward(tmp_path, addresses, period_ms, wait_ms)
        try:
            eventually(ward.is_all_pulled, 300, "tension on every bed")
            serials = [ward.memory.link_counts(bed)["serial_no"] for bed in range(count)]
            assert serials == [2001 + bed for bed in range(count)], "each bed its own drive"
            told(drives=count, period_ms=period_ms, wait_ms=wait_ms, **ward.look(MEASURED_S))
            os.kill(started[0].pid, how)
            eventually(lambda: ward.now(0)[layout.S_CONDITIONS] & layout.LINK_LOST, 10, "link_lost")
            alone = ward.look(ALONE_S)
            told(drives=count, period_ms=period_ms, without_the_first=how.name, **alone)
            assert alone["beds"][0]["phases"] == ["fault"]
            assert not [bed for bed in others if ward.now(bed)[layout.S_PHASE] in ENDED]
            waited_us = 1000 * (wait_ms or period_ms / 4)
            assert alone["link"]["p50"] < 0.8 * waited_us, "nobody waits for a bed that is lost"
        finally:
            ward.kill_all()
