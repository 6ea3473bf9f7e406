"""The recorder's process: samples and events from the ring to the spool, exactly once, and live."""
