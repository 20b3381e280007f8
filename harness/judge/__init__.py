"""The judge: what answers mean (settle), how many of what (tally), and what that proves (weigh)."""
