// Runs in the wall's page: how long from a sample's wall clock to the animation frame that has drawn it.
// `begin_ms`, `block_ms`, `period_ms`, `samples`, `beds` are those of the ward (ward.py).
window.measureWall = ({ begin_ms, block_ms, period_ms, samples, beds, seconds }) =>
  new Promise((resolve) => {
    const clock = Date.now() - performance.now();
    const drawn = new Map();
    const latency_ms = [];
    const gaps_ms = [];
    const end = performance.now() + seconds * 1000;
    const begin = performance.now();
    let before = begin;
    let frames = 0;
    let visible = 0;
    function look() {
      const now = performance.now();
      frames += 1;
      gaps_ms.push(now - before);
      before = now;
      visible = 0;
      for (const canvas of document.querySelectorAll(".tile canvas")) {
        const { sweep } = canvas;
        if (!sweep?.visible || sweep.boot === null || sweep.drawn === undefined) continue;
        visible += 1;
        const bed = Number(canvas.closest(".tile").dataset.device.slice("bed-".length));
        const last = Math.floor((Math.floor(sweep.drawn) + 1) / samples) * samples - 1; // of a block, drawn by now
        const known = drawn.get(bed);
        drawn.set(bed, last);
        if (known === undefined || last <= known) continue;
        const taken_ms = begin_ms + (block_ms * bed) / beds + period_ms * (last + 1);
        latency_ms.push(clock + now - taken_ms);
      }
      if (now < end) requestAnimationFrame(look);
      else resolve({ latency_ms, gaps_ms, frames, seconds: (now - begin) / 1000, visible });
    }
    requestAnimationFrame(look);
  });
