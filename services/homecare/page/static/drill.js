// One exercise as a row of phases, and where somebody is in it. No page, no clock of its own.
const READY_S = 3;
const CHANGE_S = 6; // from one side to the other
const LONG_S = 60; // so long a phase goes on while the page is not seen

// {kind, seconds, set, side, repetition}: `counts` where a repetition is done at its end.
export function phases(dose) {
  const rows = [{ kind: "ready", seconds: READY_S, set: 1, side: 0, repetition: 1 }];
  for (let set = 1; set <= dose.sets; set += 1) {
    if (set > 1) rows.push({ kind: "rest", seconds: dose.rest_s, set, side: 0, repetition: 1 });
    for (let side = 0; side < (dose.each_side ? 2 : 1); side += 1) {
      if (side) rows.push({ kind: "change", seconds: CHANGE_S, set, side, repetition: 1 });
      for (let repetition = 1; repetition <= dose.repetitions; repetition += 1) {
        rows.push(...one(dose, { set, side, repetition }));
      }
    }
  }
  return rows.filter((row) => row.seconds > 0 || row.counts);
}

function one({ hold_s: holdS, move_s: moveS }, where) {
  if (!holdS) return [{ kind: "move", seconds: moveS || 1, counts: true, ...where }];
  const into = Math.ceil(moveS / 2);
  return [
    { kind: "into", seconds: into, ...where },
    { kind: "hold", seconds: holdS, ...where },
    { kind: "out", seconds: moveS - into, counts: true, ...where },
  ];
}

const WORK = ["into", "hold", "out", "move"];

export class Drill {
  constructor(dose) {
    this.dose = dose;
    this.rows = phases(dose);
    this.at = 0;
    this.leftMs = this.rows[0].seconds * 1000;
    this.workedMs = 0;
    this.counted = 0;
    this.perSet = Array(dose.sets + 1).fill(0);
    this.isPaused = false;
  }

  get phase() {
    return this.rows[this.at] ?? null;
  }

  get isOver() {
    return this.at >= this.rows.length;
  }

  get isLong() {
    return (this.phase?.seconds ?? 0) >= LONG_S;
  }

  get left() {
    return Math.ceil(this.leftMs / 1000);
  }

  get share() {
    return this.phase ? 1 - this.leftMs / (this.phase.seconds * 1000 || 1) : 1;
  }

  // Time that passed; never past the end of a phase: what nobody saw is not counted as done. True: a new phase.
  pass(ms) {
    if (this.isPaused || this.isOver) return false;
    const spent = Math.min(ms, this.leftMs);
    if (WORK.includes(this.phase.kind)) this.workedMs += spent;
    this.leftMs -= spent;
    if (this.leftMs > 0) return false;
    this.next(true);
    return true;
  }

  // Leave this phase: done, or skipped and not counted. Skipping a part of a repetition skips all of it.
  next(isDone) {
    const { kind, set, side, repetition, counts } = this.phase;
    if (isDone && counts) {
      this.counted += 1;
      this.perSet[set] += 1;
    }
    this.at += 1;
    const isSame = (row) => row && WORK.includes(row.kind) && WORK.includes(kind)
      && row.set === set && row.side === side && row.repetition === repetition;
    while (!isDone && isSame(this.phase)) this.at += 1;
    this.leftMs = (this.phase?.seconds ?? 0) * 1000;
  }

  // What is told of it.
  get data() {
    const whole = this.dose.repetitions * (this.dose.each_side ? 2 : 1);
    const sets = this.perSet.filter((count) => count >= whole).length;
    return {
      sets, repetitions: this.counted, seconds: Math.round(this.workedMs / 1000), stopped: sets < this.dose.sets,
    };
  }
}
