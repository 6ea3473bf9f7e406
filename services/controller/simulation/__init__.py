"""Sessions faster than real time: simulated patients, what a session is worth, and its pictures."""
