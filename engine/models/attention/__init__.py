"""Attention over packed lists, as every model with friends or histories has it."""
