"""What becomes of a page: pure rules, no I/O, no clock."""
