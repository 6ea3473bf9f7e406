"""Who may be treated: the rules as data, the questionnaire that is built from them, the decision."""
