"""What `spondyl bench` measures of billing."""
