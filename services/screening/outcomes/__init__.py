"""What came of treatment: pain, questionnaires, leg raise, adverse events, and the report over all of it."""
