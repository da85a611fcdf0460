"""Days of many organisations within minutes: the real engine, its clocks moved on instead of waited for."""
