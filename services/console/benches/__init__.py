"""The console's benchmarks."""
