"""What plain deletion on AWS would leave or stop at: full buckets and repositories, and what a cluster has made."""
