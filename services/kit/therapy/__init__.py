"""What a clinician prescribes and the limits it is held to: for the bedside and for whoever plans a cure."""
