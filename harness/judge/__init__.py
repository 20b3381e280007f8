"""What it means: settle outcomes, tally them, weigh a finding into a verdict; pure."""
