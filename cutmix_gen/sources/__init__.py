"""The images that people have: finding, reading and decoding them."""
