"""Where and with whom: sites, beds, therapists, outages, public holidays."""
