"""What adapters of several ports need of one driver."""
