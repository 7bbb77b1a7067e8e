"""Matrix factorisation: a vector a user and a vector an item, for ranking (ALS, BPR) and for ratings (biased MF, SVD++)."""
