// The same tiles, the same samples, drawn by the wall's own sweep or by uPlot: each animation frame moves all.
const SECONDS = 14;
const PERIOD_MS = 20;
const SAMPLES = 10;
const BLOCK_MS = SAMPLES * PERIOD_MS;
const WINDOW = (SECONDS * 1000) / PERIOD_MS;
const spent_ms = [];
const ask = window.requestAnimationFrame.bind(window);
let spent = 0;

// Scripts' time of a frame: every callback of it and what it queued behind itself.
window.requestAnimationFrame = (callback) =>
  ask((now) => {
    const begin = performance.now();
    callback(now);
    queueMicrotask(() => (spent += performance.now() - begin));
  });

function value(tile, seq) {
  return 180 + 90 * Math.sin((seq + tile * 37) / 120) + 3 * Math.sin(seq / 3);
}

function block(tile, seq) {
  const rows = Array.from({ length: SAMPLES }, (_, i) => value(tile, seq + i));
  return { boot: "b", seq, period_ms: PERIOD_MS, tension: rows, target: rows.map((row) => row - 2), counter: rows.map(() => 3) };
}

async function sweeps(cells) {
  const { Sweep } = await import("/kit/sweep.js");
  const made = cells.map((cell) => {
    const canvas = cell.appendChild(document.createElement("canvas"));
    return new Sweep(canvas, {
      seconds: SECONDS,
      delay_ms: 130,
      lanes: [
        {
          from: 0.03, to: 0.72, min: 0, max: 300,
          traces: [
            { key: "target", color: "--target", width: 1.5 },
            { key: "tension", color: "--tension", width: 2, fill: 0.13, dot: true },
          ],
        },
        { from: 0.78, to: 1, min: -5, max: 60, grid: 1000, traces: [{ key: "counter", color: "--counter", width: 1.5, fill: 0.25 }] },
      ],
    });
  });
  return { take: (tile, it) => made[tile].push(it), draw: () => {} };
}

function plots(cells) {
  const times = Array.from({ length: WINDOW }, (_, i) => (i * PERIOD_MS) / 1000);
  const line = (stroke, width, fill) => ({ stroke, width, fill, points: { show: false } });
  const made = cells.map((cell) => {
    const columns = [0, 1, 2].map(() => new Array(WINDOW).fill(null));
    const plot = new uPlot(
      {
        width: 300, height: 80, legend: { show: false }, cursor: { show: false },
        axes: [{ show: false }, { show: false }],
        scales: { x: { time: false, range: [0, SECONDS] }, y: { range: [0, 300] } },
        series: [{}, line("#8aa", 1.5), line("#4fd1a5", 2, "rgba(79,209,165,0.13)"), line("#e8a33d", 1.5, "rgba(232,163,61,0.25)")],
      },
      [times, ...columns],
      cell,
    );
    return { plot, columns, waiting: [], shown: 0 };
  });
  // As the sweep does: a block is played over the time that it covers, not put there at once.
  const draw = (now) => {
    for (const it of made) {
      while (it.waiting.length && it.waiting[0].at <= now) {
        const { at: _, ...row } = it.waiting.shift();
        ["target", "tension", "counter"].forEach((key, i) => (it.columns[i].shift(), it.columns[i].push(row[key])));
      }
      it.plot.setData([times, ...it.columns], false);
      it.plot.redraw();
    }
  };
  const take = (tile, it) => {
    const now = performance.now();
    it.tension.forEach((tension, i) => made[tile].waiting.push({ at: now + i * PERIOD_MS, tension, target: it.target[i], counter: it.counter[i] }));
  };
  return { take, draw };
}

/** Draw for so long: frames a second, and the scripts' milliseconds of each. */
window.measureTiles = async ({ library, tiles, seconds, warm_s }) => {
  const cells = Array.from({ length: tiles }, () => document.getElementById("tiles").appendChild(document.createElement("div")));
  const { take, draw } = library === "uPlot" ? plots(cells) : await sweeps(cells);
  const began = performance.now();
  const next = cells.map((_, tile) => -Math.floor((BLOCK_MS * tile) / tiles)); // all blocks spread over their time
  const seqs = cells.map(() => 0);
  return new Promise((resolve) => {
    let frames = 0;
    let from = null;
    const step = (now) => {
      for (let tile = 0; tile < tiles; tile++) {
        while (now - began >= next[tile] + BLOCK_MS) {
          take(tile, block(tile, seqs[tile]));
          seqs[tile] += SAMPLES;
          next[tile] += BLOCK_MS;
        }
      }
      draw(now);
      if (from === null && now - began > warm_s * 1000) from = now;
      if (from !== null) {
        frames += 1;
        spent_ms.push(spent);
      }
      spent = 0;
      if (from === null || now - from < seconds * 1000) return window.requestAnimationFrame(step);
      const total = spent_ms.reduce((sum, one) => sum + one, 0);
      resolve({ frames_per_s: (frames - 1) / ((now - from) / 1000), update_ms: total / spent_ms.length, version: library === "uPlot" ? "1.6.32" : "" });
    };
    window.requestAnimationFrame(step);
  });
};
window.peerReady = true;
