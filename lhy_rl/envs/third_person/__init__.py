"""Tasks with several views: pixels from another camera, in other colours, or of another body."""
