"""Graph convolutional matrix completion: ratings of users for items, and how likely each rating is."""
