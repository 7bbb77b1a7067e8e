"""Making generations: embed -> index -> gate -> publish. Everything is written aside; what serves is never touched."""
