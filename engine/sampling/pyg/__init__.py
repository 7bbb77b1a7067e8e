"""PyTorch Geometric's shapes over the graph: a sampler, a loader, and stores backed by Neo4j. See docs/pyg.md."""
