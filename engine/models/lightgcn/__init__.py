"""LightGCN: embeddings of users and items that are averages along their graph."""
