"""What boards boot from over the network: files by TFTP."""
