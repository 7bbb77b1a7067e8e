"""DGSR: a dynamic graph of users and items, read by recency and hops (Zhang et al., 2021), with full cross-entropy."""
