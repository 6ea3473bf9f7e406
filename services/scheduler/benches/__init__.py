"""What `spondyl bench plan` measures."""
