"""DiffNet++: interests spread between users and items, and influence between users, each by attention."""
