"""The device gateway: loop, law, session, recorder and bedside panel."""
