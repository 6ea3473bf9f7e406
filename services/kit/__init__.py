"""What every service stands on: settings, database, health, HTTP application, logging."""
