"""SASRec: self-attention over the order of a user's items (Kang and McAuley, ICDM'18), with full cross-entropy."""
