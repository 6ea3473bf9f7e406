"""Estimates before treatment (§ 630c Abs. 3 BGB) and fee agreements (§ 2 GOÄ)."""
