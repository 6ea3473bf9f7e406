"""The language that everything in Spondyl speaks: streams, messages, bus and spool."""
