"""The services of Spondyl and the kit they stand on."""
