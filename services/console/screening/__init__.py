"""Pages of screening: the questionnaire, the decision, consent, the clinic's documents."""
