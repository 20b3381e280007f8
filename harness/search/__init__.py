"""What to send next: ladder, split, adaptive, and the proof they share; pure."""
