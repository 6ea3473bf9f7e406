"""What is told beside the pages: calendars by a secret address, reminders by e-mail."""
