"""The console's tables, step by step; applied at start by `services.kit.database.migrate`."""
