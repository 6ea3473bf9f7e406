"""One file a step; a step that was ever released is not changed."""
