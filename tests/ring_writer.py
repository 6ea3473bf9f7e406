"""A stand-in for the loop's process: a real shared memory, written through the ring's own push."""

import os
import time

import numpy as np
from sample_streams import PERIOD_NS, rows

from services.controller.kernel import layout, mailbox
from services.controller.kernel import memory as m
from services.controller.kernel.ring import push
from services.controller.loop.shared import GatewayMemory, LoopFile
from services.kit.runfile import process_start


class Ring:
    """One boot of one gateway in ``directory`` (the gateway's own), with beds that all do the same."""

    def __init__(self, directory, devices=("bed-01", "bed-02"), period_ns=PERIOD_NS, **options):
        self.directory = directory
        before = LoopFile.load(directory)
        self.memory = GatewayMemory.create(
            site="north", gateway="gw-north", devices=devices, period_ns=period_ns, **options
        )
        started = process_start(os.getpid())
        self.memory.set_word(m.W_PID, os.getpid())
        self.memory.set_word(m.W_PID_STARTED, round(started * 1000))
        directory.mkdir(parents=True, exist_ok=True)
        LoopFile(
            self.memory.path,
            os.getpid(),
            started,
            str(self.memory.boot),
            before.path if before else None,
        ).save(directory)

    def push(self, times, samples):
        """Write ticks: times int64[n, 3], samples int32[n, SAMPLES] for every bed alike."""
        for stamps, row in zip(times, samples, strict=True):
            sample = np.repeat(row[:, None], self.memory.beds, axis=1)
            arrays = self.memory.arrays
            push(arrays["words"], arrays["times"], arrays["samples"], *stamps.tolist(), sample)

    def run(self, *pieces):
        """Push pieces as ``rows`` takes them, behind what is there."""
        self.push(*rows(*pieces, first=self.memory.head()))

    def idle(self, ticks):
        """Push idle ticks whose force counts up, so that every sample differs."""
        times, samples = rows((ticks, {}), first=self.memory.head())
        samples[:, layout.S_FORCE] = times[:, 0] % 200  # nobody hangs in it
        self.push(times, samples)

    def die(self):
        """The process is gone, its memory stays."""
        self.memory.set_word(m.W_PID, 0)

    def close(self):
        """Give the memory back."""
        self.memory.unlink()
        self.memory.close()


class Mail:
    """The loop's side of the mailboxes, through the loop's own functions; the kernel's verdict is given."""

    def __init__(self, memory):
        self.memory = memory
        self.pending = np.zeros((memory.beds, 3), np.int64)
        self.staged = np.zeros((40, memory.beds))
        self.action = np.zeros(memory.beds, np.int32)

    def answer(self, tick, refusal=layout.REFUSAL_NONE):
        """Take at most one action a bed, answer it; what was taken, by bed."""
        arrays = self.memory.arrays
        sample = np.zeros((len(layout.SAMPLES), self.memory.beds), np.int32)
        mailbox.take_actions(
            arrays["mail"], arrays["mail_slots"], arrays["mail_parameters"], self.pending, self.staged,
            self.action, time.monotonic_ns(),
        )  # fmt: skip
        sample[layout.S_REFUSAL] = refusal
        mailbox.answer_actions(
            arrays["mail"], arrays["mail_slots"], arrays["mail_outcomes"], self.pending, self.staged,
            arrays["taken"], arrays["taken_ticks"], arrays["taken_parameters"], self.action, sample, tick,
        )  # fmt: skip
        return self.action.tolist()
