"""Each benchmark runs beside its peer in the same process and prints the ratio. Nothing here is asserted in the tests."""
