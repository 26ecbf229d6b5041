"""What the kernel did and what lies around it, as records."""
