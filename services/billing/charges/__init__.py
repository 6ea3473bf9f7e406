"""What is charged: sessions once each, and what a hand enters; how each treatment is paid."""
