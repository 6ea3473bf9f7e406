"""How much a body's own weight pulls, by angle and friction: a formula, its limits, its chart."""
