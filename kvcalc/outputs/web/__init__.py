"""The page that answers by itself."""
