"""What `spondyl bench` measures at the gateway, each against a named peer in the same run."""
