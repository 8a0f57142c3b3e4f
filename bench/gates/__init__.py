"""Gates: what a thousand messages cost, counted and held against committed baselines. See bench/README.md."""
