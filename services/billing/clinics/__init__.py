"""A site's letterhead, bank and tax data, and what its treatments cost whom: kept in versions."""
