"""Methods that score items by a linear map of what a user has: EASE and filters of the user-item graph."""
