"""What is claimed about speed and accuracy, each claim with the command that measures it."""
