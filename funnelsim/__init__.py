"""funnelsim: simulate and forecast marketing and sales funnels."""
