"""What the benchmarks of several services stand on: real servers, cheap clients, what processes cost."""
