"""Random walks and the positions of finance: SinkRank, counting and current-flow betweenness, cores and hubs."""
