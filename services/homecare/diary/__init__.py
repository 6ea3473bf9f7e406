"""What patients did and reported at home, by their secret links; locks and their answers."""
