"""One task seen in several ways: pixels from another camera, in other colours, of another body."""
