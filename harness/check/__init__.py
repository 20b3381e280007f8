"""What is wrong before anything is sent."""
