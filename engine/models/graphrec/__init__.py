"""GraphRec: ratings from what a user rated, what their friends rated, and who rated the item."""
