"""Past sessions: what is asked, what telemetry answers in words and curves, and what is noted of them."""
