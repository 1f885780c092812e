"""What a route is on every layer, and whom it touches: direct, along chains, through production. No indicators here."""
