"""From a condition to an alarm that somebody has seen: the table, its states, the board of a bed."""
