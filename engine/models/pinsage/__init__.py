"""PinSage: graph convolutions over random-walk neighbourhoods (Ying et al., KDD'18)."""
