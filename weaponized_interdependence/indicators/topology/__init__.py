"""The shape of the network and who stands between others: betweenness, PageRank, rich club, percolation."""
