"""SVD++: ratings from biases, factors, and which items a user rated at all."""
