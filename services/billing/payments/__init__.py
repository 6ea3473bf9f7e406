"""What was paid, what is open, reminders, bank statements, revenue."""
