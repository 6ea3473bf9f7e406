// A curve of the last half minute that drifts to the left, without grid or numbers.

const SECONDS = 30;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** `add(boot, at, shares)`: at in seconds of the bed's own count, shares from 0 to 1, the first one filled. */
export class GentleCurve {
  constructor(canvas) {
    this.canvas = canvas;
    this.name = canvas.dataset.curve;
    this.context = canvas.getContext("2d");
    this.clear();
    new ResizeObserver(() => this.resize()).observe(canvas);
    new MutationObserver(() => (this.colours = null)).observe(document.body, { attributeFilter: ["data-mood"] });
  }

  clear() {
    this.points = [];
    this.boot = null;
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  add(boot, at, shares) {
    if (boot !== this.boot) this.clear();
    this.boot = boot;
    if (this.points.length && at <= this.points.at(-1).at) return;
    this.points.push({ at, shares, came: performance.now() });
    while (this.points[0].at < at - SECONDS - 2) this.points.shift();
    if (calm.matches) this.draw(at);
    else if (!this.moving) this.move();
  }

  /** Drift on between two frames; when none comes any more it stands. */
  move() {
    const last = this.points.at(-1);
    this.moving = Boolean(last) && performance.now() - last.came < 1500;
    if (!this.moving) return;
    this.draw(last.at - 0.25 + Math.min(0.25, (performance.now() - last.came) / 1000));
    requestAnimationFrame(() => this.move());
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    this.ratio = ratio;
    if (this.points.length) this.draw(this.points.at(-1).at);
  }

  draw(now) {
    const { context, canvas, points } = this;
    this.colours ??= getComputedStyle(canvas);
    const colour = this.colours.color;
    const place = ({ at, shares }, which) => [
      canvas.width * (1 - (now - at) / SECONDS),
      canvas.height * (0.96 - 0.9 * shares[which]),
    ];
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.lineJoin = context.lineCap = "round";
    context.strokeStyle = context.fillStyle = colour;
    if (points[0].shares.length > 1) {
      this.trace(1, place);
      context.globalAlpha = 0.35;
      context.lineWidth = 2 * this.ratio;
      context.setLineDash([2 * this.ratio, 6 * this.ratio]);
      context.stroke();
      context.setLineDash([]);
      context.globalAlpha = 1;
    }
    this.trace(0, place);
    context.lineWidth = 4 * this.ratio;
    context.stroke();
    context.lineTo(place(points.at(-1), 0)[0], canvas.height);
    context.lineTo(place(points[0], 0)[0], canvas.height);
    context.globalAlpha = 0.14;
    context.fill();
    context.globalAlpha = 1;
  }

  trace(which, place) {
    this.context.beginPath();
    for (const point of this.points) this.context.lineTo(...place(point, which));
  }
}
