"""Pure NumPy: who is mixed with whom, masks, labels, recipes; nothing here knows files."""
