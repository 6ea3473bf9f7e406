"""The control loop's process, the memory it shares with the others, and the way into it."""
