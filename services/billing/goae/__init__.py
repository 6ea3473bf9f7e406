"""The German fee schedule for doctors (GOÄ): catalogue, prices, rules, and the charges of a session."""
