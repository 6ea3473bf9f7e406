"""What consent stands on: the oral information, the declaration, its signature, its withdrawal."""
