"""TrustSVD: SVD++ with a user's friends."""
