"""TrustSVD: SVD++ with whom a user follows."""
