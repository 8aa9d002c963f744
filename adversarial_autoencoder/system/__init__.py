"""What serves everything else: files, the terminal, devices, the machine."""
