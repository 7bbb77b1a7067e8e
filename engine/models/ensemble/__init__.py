"""Several methods about users and items, as one: their rankings fused, their scores or predicted ratings weighed."""
