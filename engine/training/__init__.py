"""The only training loop, and what goes with it: losses, positives, negatives, checkpoints. Knows no model."""
