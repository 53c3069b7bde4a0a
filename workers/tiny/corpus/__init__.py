"""The text that winnow-tiny learns from, composed here, and the oracles that know its truth."""
